"""`retention doctor`: check everything the worker relies on, one line each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

import click
from sqlalchemy import Engine, func, select

from models.errors import InvalidConfiguration, RetentionError, Unavailable, Unverified
from tasks.base import RetentionApp
from tasks.catalog import catalog_faults
from tasks.hash_partitions import partitions
from tasks.partitions import unguarded, years_ahead
from tasks.statements.purge import owned_tables
from tasks.transaction import transaction
from tasks.zones import first_difference
from worker.app import create_client
from worker.broker import broker_time
from worker.cli.doctor_encryption import examine_encryption
from worker.cli.doctor_files import examine_files
from worker.cli.doctor_rights import examine_rights
from worker.cli.options import as_json
from worker.cli.output import print_json, show, table
from worker.database import check_schema, head_revision
from worker.deployment import Deployment, deployment
from worker.exits import exit_code

OLDEST_POSTGRESQL = 15
# A message outlives its minute by little: a worker whose clock is much ahead of beat's drops every one unread.
CLOCK_SECONDS = 10
WITHOUT_DATABASE = ("configuration", "broker clock")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `detail` says what is, or what is wrong and what to do. `code`: 0, or the exit code."""

    check: str
    detail: str
    code: int = 0


@click.command(epilog="Example: retention doctor --json")
@as_json
def command(*, as_json: bool) -> int:
    """Check everything that the worker relies on, from its configuration to the clocks: ok, or what to do.

    The exit code is that of the first check that fails.
    """
    findings = list(_examine(deployment(any_schema=True)))
    codes = [each.code for each in findings if each.code]
    if as_json:
        checks = [{"check": each.check, "ok": not each.code, "detail": each.detail} for each in findings]
        print_json({"ok": not codes, "checks": checks})
    else:
        rows = (("NOT OK" if each.code else "ok", each.check, each.detail) for each in findings)
        show(table(None, ("", "check", ""), rows))
    return codes[0] if codes else 0


def _examine(here: Deployment) -> Iterator[Finding]:
    app = create_client(here.settings, here.addresses)
    checks: dict[str, Callable[[], str]] = {
        "configuration": lambda: _configuration(here),
        "database": lambda: _database(here.engine),
        "encryption": lambda: examine_encryption(here.engine, here.addresses.broker_url),
        "schema": lambda: _schema(here.engine),
        "catalog": lambda: _catalog(here.engine),
        "log": lambda: _log(here.engine),
        "rights": lambda: examine_rights(here.engine),
        "files": lambda: examine_files(here),
        "time zone": lambda: _time_zone(here),
        "database clock": lambda: _database_clock(here.engine),
        "broker clock": lambda: _broker_clock(app),
    }
    is_away = False
    for name, check in checks.items():
        try:
            if is_away and name not in WITHOUT_DATABASE:
                raise Unavailable("not examined: the database did not answer")  # each would wait for it once more
            yield Finding(name, check())
        except RetentionError as error:
            is_away |= name == "database" and isinstance(error, Unavailable)
            yield Finding(name, str(error), exit_code(error))


def _configuration(here: Deployment) -> str:
    chosen = here.settings
    return (
        f"windows close after {chosen.reactivation_days} days, data goes after {chosen.retention_years} years, "
        f"days are counted in {chosen.timezone}"
    )


def _database(engine: Engine) -> str:
    with transaction(engine) as connection:
        version: str = connection.execute(select(func.current_setting("server_version"))).scalar_one()
    if int(version.split(".", maxsplit=1)[0]) < OLDEST_POSTGRESQL:
        raise InvalidConfiguration(f"PostgreSQL {version} is too old; {OLDEST_POSTGRESQL} or newer is needed")
    return f"PostgreSQL {version}"


def _schema(engine: Engine) -> str:
    check_schema(engine)
    return f"at {head_revision()}, as this program needs"


def _catalog(engine: Engine) -> str:
    with transaction(engine) as connection:
        faults, number = catalog_faults(connection), partitions(connection)
    if faults:
        raise Unverified("; ".join(faults))
    parts = f", accounts in {number} partitions" if number else ""
    return (
        f"{len(owned_tables())} tables are an account's, each reference indexed, no unknown one refers to them{parts}"
    )


def _log(engine: Engine) -> str:
    """Ask whether whatever keeps the log from being changed is there and enabled, and the partitions to come."""
    with transaction(engine) as connection:
        open_tables, ahead = unguarded(connection), years_ahead(connection)
    if open_tables:
        raise Unverified(f"{', '.join(open_tables)} can be changed: the trigger append_only is missing or disabled")
    if not ahead:
        raise Unverified(
            "actions and receipts have no partition for the next year, and would go on in actions_rest and "
            "receipts_rest: the task retention.prepare_log should have made it; the workers' log says what hinders it"
        )
    return (
        "actions, receipts and decisions refuse UPDATE, DELETE and TRUNCATE; "
        f"partitions are there for {ahead} years after this one"
    )


def _time_zone(here: Deployment) -> str:
    with transaction(here.engine) as connection:
        day = first_difference(connection, here.policies, datetime.now(UTC))
    zone = here.settings.timezone
    if day is not None:
        raise InvalidConfiguration(
            f"this program and the database disagree about the clocks of {zone}, first on {day}: one of them has an "
            "older edition of the time zone database; upgrade PostgreSQL, or this machine's tzdata"
        )
    return f"the database knows the clocks of {zone} as this program does"


def _database_clock(engine: Engine) -> str:
    with transaction(engine) as connection:
        theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
    return _compared("the database", (datetime.now(UTC) - theirs).total_seconds())


def _broker_clock(app: RetentionApp) -> str:
    theirs = broker_time(app)
    return _compared("the broker", time() - theirs)


def _compared(whose: str, seconds: float) -> str:
    if abs(seconds) > CLOCK_SECONDS:
        raise Unverified(f"this machine's clock is {seconds:+,.0f} s off that of {whose}; set the clocks right")
    return f"within {max(abs(seconds), 0.001):.3f} s of this machine's"
