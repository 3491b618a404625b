"""Whether all is there that the deployment needs to do its work: looked at once a second, however many ask."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from time import monotonic

from sqlalchemy import select

from models import Heartbeat
from models.errors import RetentionError, Unavailable, Unverified
from tasks.base import RetentionApp
from tasks.transaction import transaction
from worker.answers.status import BEAT_SILENT_SECONDS
from worker.broker import check_broker
from worker.database import check_schema
from worker.deployment import Deployment

__all__ = ["OK", "Readiness"]

FRESH_SECONDS = 1.0
OK = "ok"
AWAY = "does not answer"  # where it should is for the log, not for everybody who may ask
IN_DATABASE = ("schema", "beat")


class Readiness:
    """What the checks found last; while one request looks, the others wait for what it finds."""

    def __init__(self, here: Deployment, app: RetentionApp, clock: Callable[[], float] = monotonic) -> None:
        self._checks: dict[str, Callable[[], None]] = {
            "database": lambda: _check_database(here),
            "broker": lambda: check_broker(app),
            "schema": lambda: check_schema(here.engine),
            "beat": lambda: _check_beat(here),
        }
        self._clock = clock
        self._looking = Lock()
        self._looked: float | None = None
        self._found: Mapping[str, str] = {}

    def found(self) -> dict[str, str]:
        """Return for each check `ok`, or what fails, as of a second ago at most."""
        with self._looking:
            if self._looked is None or self._clock() - self._looked >= FRESH_SECONDS:
                self._found = self._look()
                self._looked = self._clock()
            return dict(self._found)

    def _look(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, check in self._checks.items():
            # What lies in the database is not asked for where it is away: each would wait for it once more.
            is_away = name in IN_DATABASE and found["database"] == AWAY
            found[name] = AWAY if is_away else _checked(check)
        return found


def _checked(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable:
        return AWAY
    except RetentionError as error:
        return str(error)
    return OK


def _check_database(here: Deployment) -> None:
    with transaction(here.engine) as connection:
        connection.execute(select(1))


def _check_beat(here: Deployment) -> None:
    with transaction(here.engine) as connection:
        heard = connection.scalar(select(Heartbeat.at).where(Heartbeat.source == "beat"))
    if heard is None:
        raise Unverified("beat was never heard; start it with `celery -A worker beat`")
    silent = (datetime.now(UTC) - heard).total_seconds()
    if silent >= BEAT_SILENT_SECONDS:
        raise Unverified(f"beat is silent for {silent:,.0f} s; start it again, or look whether a worker is there")
