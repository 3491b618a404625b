"""Lists of rows: holds, accounts in quarantine, actions, decisions."""

from typing import Any, TypeVar

from sqlalchemy import Select
from typing_extensions import TypedDict

from tasks.statements.control import select_decisions
from tasks.statements.holds import select_holds
from tasks.statements.log import select_actions
from tasks.statements.quarantine import select_quarantine
from tasks.transaction import transaction
from worker.answers.rows import document
from worker.deployment import Deployment

__all__ = ["Action", "Decision", "Hold", "SetAside", "read_actions", "read_decisions", "read_holds", "read_quarantine"]

Shape = TypeVar("Shape")


class Hold(TypedDict):
    """Nobody may touch this account until the hold is released."""

    id: int
    account_id: int
    reason: str
    placed_by: str
    placed_at: str
    released_at: str | None
    released_by: str | None
    release_reason: str | None


class SetAside(TypedDict):
    """An account that failed alone in its batch; set aside where `set_aside_at` is not null."""

    account_id: int
    policy: str
    attempts: int
    failure: str
    first_at: str
    last_at: str
    set_aside_at: str | None


class Action(TypedDict):
    """One account moved or deleted: one line of the log."""

    id: int
    action: str
    account_id: int
    event_at: str
    due_at: str
    acted_at: str
    sweep_id: int
    receipt_id: int
    digest: str


class Decision(TypedDict):
    """Who decided what about a sweep or a policy, and why; `actor` is `worker` for the worker's own."""

    id: int
    at: str
    kind: str
    policy: str
    sweep_id: int | None
    actor: str
    reason: str
    details: dict[str, Any]


def read_holds(here: Deployment, **which: Any) -> list[Hold]:
    """Return holds, newest first; `which` as for `select_holds`."""
    return _read(here, select_holds(**which), Hold)


def read_quarantine(here: Deployment, *, limit: int) -> list[SetAside]:
    """Return failing accounts, those set aside for longest first."""
    return _read(here, select_quarantine(limit=limit), SetAside)


def read_actions(here: Deployment, **which: Any) -> list[Action]:
    """Return lines of the log, newest first; `which` as for `select_actions`."""
    return _read(here, select_actions(**which), Action)


def read_decisions(here: Deployment, **which: Any) -> list[Decision]:
    """Return decisions, newest first; `which` as for `select_decisions`."""
    return _read(here, select_decisions(**which), Decision)


def _read(here: Deployment, rows: Select[Any], shape: type[Shape]) -> list[Shape]:
    with transaction(here.engine) as connection:
        found = connection.execute(rows).all()
    read: list[Any] = [document(row, here.zone, shape.__annotations__) for row in found]
    return read
