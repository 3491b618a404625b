"""Sweeps, newest first."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from tasks.files import files_left_of
from tasks.statements.sweeps import select_sweeps
from tasks.transaction import transaction
from worker.answers.rows import document
from worker.deployment import Deployment

__all__ = ["Stop", "Sweep", "read_sweeps"]


class Stop(TypedDict):
    """Why a gate holds a sweep: which gate, in words, by which numbers, and whether a person has to approve."""

    gate: str
    detail: str
    needs_approval: bool
    numbers: dict[str, Any]


class Sweep(TypedDict):
    """One policy at one cutoff; `accounts` and `batches` are those done so far, of `due` in all."""

    id: int
    policy: str
    tick: str | None
    as_of: str
    cutoff: str
    actor: str
    reason: str
    status: str
    fingerprint: str | None
    due: int | None
    allowed: int | None
    held_at: str | None
    held_for: list[Stop]
    planned_to_at: str | None
    planned_to: int | None
    planned: int | None
    planned_digest: str | None
    approved_at: str | None
    canary_at: str | None
    accounts: int
    batches: int
    reconciled_to: int | None
    heard_at: str
    attempts: int
    failure: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    files_left: NotRequired[int]


def read_sweeps(here: Deployment, *, files: bool = False, **which: Any) -> list[Sweep]:
    """Return sweeps; with `files`, `files_left` too; `which` as for `select_sweeps`."""
    with transaction(here.engine) as connection:
        rows = connection.execute(select_sweeps(**which)).all()
        left = files_left_of(connection, (row.id for row in rows)) if files else {}
    sweeps: list[Any] = [document(row, here.zone) for row in rows]
    return [each | {"files_left": left[each["id"]]["left"]} if files else each for each in sweeps]
