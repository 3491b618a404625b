"""Is the process alive, and can the deployment do its work."""

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Response
from sqlalchemy import select
from typing_extensions import TypedDict

from models import Heartbeat
from models.errors import RetentionError, Unavailable, Unverified
from tasks.transaction import transaction
from worker.answers.status import BEAT_SILENT_SECONDS
from worker.broker import check_broker
from worker.database import check_schema
from worker.deployment import Deployment
from worker.web.office import Here

__all__ = ["router"]

OK = "ok"
AWAY = "does not answer"  # where it should is for the log, not for everybody who may ask
IN_DATABASE = ("schema", "beat")

router = APIRouter(tags=["health"])


class Alive(TypedDict):
    """The process answers."""

    ok: bool


class Ready(TypedDict):
    """Whether all is there that the worker relies on; each check is `ok`, or says what fails."""

    ok: bool
    checks: dict[str, str]


@router.get("/livez")
async def livez() -> Alive:
    """Say that the process answers; depends on nothing else."""
    return {"ok": True}


@router.get("/readyz", responses={503: {"description": "A check fails; it says what.", "model": Ready}})
def readyz(office: Here, response: Response) -> Ready:
    """Check database, broker, schema and whether beat was heard lately."""
    here = office.deployment
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _check_database(here),
        "broker": lambda: check_broker(office.app),
        "schema": lambda: check_schema(here.engine),
        "beat": lambda: _check_beat(here),
    }
    found: dict[str, str] = {}
    for name, check in checks.items():
        # What lies in the database is not asked for where it is away: each would wait for it once more.
        is_away = name in IN_DATABASE and found["database"] == AWAY
        found[name] = AWAY if is_away else _checked(check)
    is_ready = all(said == OK for said in found.values())
    response.status_code = 200 if is_ready else 503
    return {"ok": is_ready, "checks": found}


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
