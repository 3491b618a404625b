"""The log: its lines and its head."""

from datetime import UTC, datetime

from fastapi import APIRouter
from sqlalchemy import select
from typing_extensions import TypedDict

from models import Heartbeat
from tasks.statements.log import select_head
from tasks.transaction import transaction
from tasks.verify import SOURCE
from worker.answers.instants import rfc3339
from worker.answers.lists import Action, read_actions
from worker.web.access import Viewer
from worker.web.api.inputs import Before, Limit, Which
from worker.web.office import Here

__all__ = ["router"]

router = APIRouter(prefix="/log", tags=["log"])


class Actions(TypedDict):
    """Lines of the log, newest first."""

    actions: list[Action]


class Head(TypedDict):
    """The end of the chain: its last receipt's number and digest, the actions in all, and when it was last verified."""

    at: str
    number: int
    digest: str
    actions: int
    verified_at: str | None


@router.get("/actions")
def actions(
    office: Here, _: Viewer, account: Which = None, sweep: Which = None, before: Before = None, limit: Limit = 20
) -> Actions:
    """List actions, newest first: what was done to which account, why it was due, and in which sweep."""
    which = {"account_id": account, "sweep_id": sweep, "before": before, "limit": limit}
    return {"actions": read_actions(office.deployment, **which)}


@router.get("/head")
def head(office: Here, _: Viewer) -> Head:
    """Tell the end of the chain; kept outside the database, it proves all that came before."""
    here = office.deployment
    with transaction(here.engine) as connection:
        number, actions, digest = connection.execute(select_head()).one()
        verified_at = connection.scalar(select(Heartbeat.at).where(Heartbeat.source == SOURCE))
    shown = rfc3339(verified_at, here.zone)
    now = str(rfc3339(datetime.now(UTC), here.zone))
    return {"at": now, "number": number, "digest": digest.hex(), "actions": actions, "verified_at": shown}
