"""The settings: read once from the environment, checked, frozen."""

import os
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models import CounterOnly, Policies, Purge, QuietHours
from models.errors import InvalidConfiguration
from tasks.rules.gate import Limits
from tasks.rules.lane import MOST_LANES
from tasks.rules.ticks import is_cron
from worker.documents_url import documents_url
from worker.export_url import export_url
from worker.secret_files import read_secret

__all__ = ["DEFAULT_PORTS", "FROM_FILES", "Settings", "settings"]

PREFIX = "RETENTION_"
IN_FILE = "_FILE"
CHECKOUT = Path(__file__).resolve().parents[1]

DATABASE_SHOULD = "a PostgreSQL URL, such as postgresql://user:password@host/database"
KNOWN_QUERY = {"virtual_host", "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
BROKER_SHOULD = (
    "a Redis URL: redis://…, redis+socket:///path, or rediss://… with ssl_cert_reqs=required, "
    "without which the certificate is not verified; "
    f"its options are {', '.join(sorted(KNOWN_QUERY))}"
)


DEFAULT_PORTS = {"http": 80, "https": 443}
WEB_SHOULD = "a URL without a path, such as https://retention.example.jp"


def _database_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(DATABASE_SHOULD)
    conninfo = f"postgresql://{rest}"
    try:
        ports = str(conninfo_to_dict(conninfo).get("port") or "5432")
    except ProgrammingError as error:
        raise ValueError(DATABASE_SHOULD) from error
    if not all(port.isdecimal() for port in ports.split(",")):
        raise ValueError(DATABASE_SHOULD)
    return conninfo


def _broker_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(BROKER_SHOULD) from error
    query = parse_qs(parts.query, keep_blank_values=True)
    known = query.keys() <= KNOWN_QUERY and query.get("virtual_host", ["0"])[0].isdecimal()
    verified = query.get("ssl_cert_reqs") in (["required"], ["CERT_REQUIRED"])
    numbered = parts.path.strip("/").isdecimal() or not parts.path.strip("/")
    usable = {
        "redis": bool(parts.hostname) and numbered,
        "rediss": bool(parts.hostname) and numbered and verified,
        "redis+socket": bool(parts.path),
        "unix": bool(parts.path),
    }
    if not (known and usable.get(parts.scheme)):
        raise ValueError(BROKER_SHOULD)
    return url.replace("unix://", "redis+socket://", 1) if parts.scheme == "unix" else url


def _web_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and "@" not in parts.netloc
        port = parts.port
    except ValueError as error:
        raise ValueError(WEB_SHOULD) from error
    if not usable or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(WEB_SHOULD)
    # As browsers name it in Host and Origin: without the port that its scheme has anyway.
    host = parts.netloc.lower().removesuffix(f":{port}" if port else ":")
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, DEFAULT_PORTS[parts.scheme]) else "")


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("an IANA time zone, such as Asia/Tokyo")
    return name


def _cron(expression: str) -> str:
    if not is_cron(expression):
        raise ValueError("a cron of five fields, such as 10 0 * * *")
    return expression


def _hours(text: str) -> str:
    try:
        QuietHours.parse(text)
    except ValueError:
        raise ValueError("two times of day that differ, such as 08:00-20:00") from None
    return text


def _quiet(hours: str | None) -> QuietHours | None:
    return QuietHours.parse(hours) if hours else None


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]
DocumentsUrl = Annotated[str, AfterValidator(documents_url)]
ExportUrl = Annotated[str, AfterValidator(export_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Hours = Annotated[str, AfterValidator(_hours)]
Cron = Annotated[str, AfterValidator(_cron)]


class Settings(BaseSettings):
    """Everything that a deployment may choose; each is the environment variable RETENTION_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    database_url: DatabaseUrl | None = Field(
        None, description="PostgreSQL; unset: an embedded server under the var directory"
    )
    broker_url: BrokerUrl | None = Field(None, description="Redis; unset: an embedded server under the var directory")
    documents_url: DocumentsUrl | None = Field(
        None, description="where the files of documents lie, as a URL that fsspec knows; unset: none is erased"
    )
    export_url: ExportUrl | None = Field(
        None, description="directory that the log is exported to, as a URL that fsspec knows; unset: it is not exported"
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "Asia/Tokyo", description="IANA name of the zone in which days are counted"
    )
    reactivation_days: int = Field(30, ge=0, le=3650, description="last day on which the owner can reactivate alone")
    retention_years: int = Field(5, ge=1, le=100, description="calendar years from invalidation to deletion")
    counter_only_cron: Cron = Field("10 0 * * *", description="when windows are closed, in that zone")
    purge_cron: Cron = Field("30 0 * * *", description="when data is deleted, in that zone")
    counter_only_quiet_hours: Hours | None = Field(
        None,
        description="when sweeps of this cron rest, by the clock of that zone, such as 08:00-20:00; unset: never",
    )
    purge_quiet_hours: Hours | None = Field(None, description="the same for deleting")
    batch_accounts: int = Field(3000, ge=1, le=10_000, description="most accounts in one transaction")
    drains: int = Field(2, ge=1, le=MOST_LANES, description="tasks of one sweep at work at the same time")
    rest_multiple: float = Field(
        60.0,
        ge=0,
        le=99,
        description="longest rest after a batch while others are at work in the database, as a multiple of its time "
        "and that of the other lanes; 0: none",
    )
    ceiling_accounts: int = Field(
        100_000, ge=0, description="most accounts that one sweep may touch without approval; 0 allows nothing"
    )
    ceiling_share: float = Field(
        0.05, ge=0, le=1, description="the same as a share of all accounts, 0 to 1; 0 allows nothing"
    )
    ceiling_forecast: float = Field(
        3, ge=0, le=1e9, description="the same as a multiple of what was forecast; 0 allows nothing"
    )
    ceiling_floor: int = Field(
        100, ge=0, description="accounts that share and forecast allow in any case, unless they are 0"
    )
    clock_skew_seconds: float = Field(60, gt=0, le=1e10, description="by how much two clocks may differ")
    clock_gap_days: int = Field(
        7, ge=1, le=3650, description="after how many days without a dispatch a person has to say that time is right"
    )
    canary_accounts: int = Field(
        20, ge=1, le=10_000, description="accounts in a purge's first batch, verified before the others start"
    )
    web_host: str = Field("127.0.0.1", description="address that `retention serve` listens on")
    web_port: int = Field(8000, ge=0, le=65535, description="its port; 0: any that is free")
    web_url: WebUrl | None = Field(
        None,
        description="URL by which browsers reach it through another server; unset: the address itself",
    )
    web_tokens_file: Path | None = Field(
        None, description="file of who may ask, a line for each token as `retention token new` prints it"
    )
    web_tokens: str | None = Field(None, description="such lines themselves")
    web_secret_file: Path | None = Field(
        None, description="file of 32 random bytes that sign sessions; unset: they end with the process"
    )
    var_directory: Path = Field(
        CHECKOUT / "var" if (CHECKOUT / "pyproject.toml").exists() else Path("var"),
        description="where embedded servers keep their data",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe event that is logged"
    )
    alive_file: Path | None = Field(
        None, description="file that worker and beat touch while they are at work, for probes; unset: none"
    )
    stuck_seconds: float = Field(
        120, ge=10, le=86400, description="a worker or beat whose loop stands still for longer ends with exit 70"
    )

    @property
    def policies(self) -> Policies:
        """Both policies as configured."""
        zone = ZoneInfo(self.timezone)
        return Policies(
            purge=Purge(self.retention_years, zone, self.purge_cron, _quiet(self.purge_quiet_hours)),
            counter_only=CounterOnly(
                self.reactivation_days, zone, self.counter_only_cron, _quiet(self.counter_only_quiet_hours)
            ),
        )

    @property
    def limits(self) -> Limits:
        """The gates' numbers as configured."""
        return Limits(
            accounts=self.ceiling_accounts,
            share=self.ceiling_share,
            forecast=self.ceiling_forecast,
            floor=self.ceiling_floor,
            skew_seconds=self.clock_skew_seconds,
            gap_days=self.clock_gap_days,
            canary_accounts=self.canary_accounts,
        )


# What may hold a password may also lie in a file, which the variable of the same name with _FILE then names.
SECRETS = ("database_url", "broker_url", "documents_url", "export_url")
FROM_FILES = {f"{PREFIX}{field.upper()}{IN_FILE}": field for field in SECRETS}


@cache
def settings() -> Settings:
    """Read the settings from the environment, once in a process.

    Raises:
        InvalidConfiguration: a variable is unknown, blank or not what it should be, or its file cannot be used. The
            message names each such variable and what it should hold; of a URL it never shows what it holds.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields} | FROM_FILES.keys()
    wrong = [_unknown(name, known) for name in sorted(given.keys() - known)]
    wrong += [
        f"{name} is blank; unset it for the default"
        for name, value in sorted(given.items())
        if name in known and not value.strip()
    ]
    wrong += [
        f"both {name} and {name}{IN_FILE} are set; unset one of them"
        for name in sorted(given)
        if f"{name}{IN_FILE}" in given.keys() & FROM_FILES.keys()
    ]
    if wrong:
        raise InvalidConfiguration("; ".join(wrong))
    in_files = sorted(given.keys() & FROM_FILES.keys())
    secrets: dict[str, Any] = {FROM_FILES[name]: read_secret(Path(given[name]), name) for name in in_files}
    try:
        return Settings(**secrets)
    except ValidationError as error:
        raise InvalidConfiguration("; ".join(map(_explain, error.errors()))) from None


def _unknown(name: str, known: set[str]) -> str:
    meant = get_close_matches(name, known, n=1)
    return f"{name} is not a known variable" + (f"; did you mean {meant[0]}?" if meant else "")


def _explain(error: Any) -> str:
    name = f"{PREFIX}{str(error['loc'][0]).upper()}"
    should = error["ctx"]["error"] if error["type"] == "value_error" else _lower_first(error["msg"])
    should = str(should).removeprefix("input should be ")
    holds = _without_password(error["input"]) if name.endswith("_URL") else str(error["input"])
    return f"{name} is {holds!r}; it should be {should}"


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "…"  # no URL: nothing tells which part of it is secret
    # A password may hold any sign, so everything before the last @ may be one, and so may what follows a ?.
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{'…@' if at else ''}{place.split('?')[0]}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
