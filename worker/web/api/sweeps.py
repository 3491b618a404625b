"""Sweeps: what ran, what is held, and what people decide about it."""

from typing import Literal

from fastapi import APIRouter
from typing_extensions import TypedDict

from models.errors import NotThereError
from tasks.statements.sweeps import select_rows
from tasks.transaction import transaction
from worker.answers.lists import Decision, read_decisions
from worker.answers.sweeps import Sweep, read_sweeps
from worker.web.access import Approver, Operator, Viewer
from worker.web.api.inputs import Before, Limit, Number, Told
from worker.web.api.said import REFUSED, THERE
from worker.web.office import Here

__all__ = ["router"]

DECISIONS_SHOWN = 1000

router = APIRouter(tags=["sweeps"])


class Sweeps(TypedDict):
    """Sweeps, newest first."""

    sweeps: list[Sweep]


class SweepInFull(Sweep):
    """A sweep with the rows it deleted or updated so far, by table, and what was decided about it."""

    rows: dict[str, int]
    decisions: list[Decision]


class Decisions(TypedDict):
    """Decisions, newest first."""

    decisions: list[Decision]


class Run(Told):
    """What to sweep, and why."""

    policy: Literal["purge", "counter_only", "all"]


@router.get("/sweeps")
def sweeps(office: Here, _: Viewer, before: Before = None, limit: Limit = 20, *, unended: bool = False) -> Sweeps:
    """List sweeps, newest first; with `unended` only those that have not ended."""
    return {"sweeps": read_sweeps(office.deployment, before=before, unended=unended, limit=limit)}


@router.post("/sweeps", status_code=202)
def run(office: Here, person: Operator, told: Run) -> Sweeps:
    """Trigger a sweep by hand, as of now; a worker carries it out, once its gates let it pass."""
    return {"sweeps": office.acts(person.name).run(told.policy, told.reason)}


@router.get("/sweeps/{sweep_id}", responses=THERE)
def sweep(office: Here, _: Viewer, sweep_id: Number) -> SweepInFull:
    """Tell all about one sweep."""
    here = office.deployment
    found = read_sweeps(here, ids=[sweep_id])
    if not found:
        raise NotThereError(f"there is no sweep {sweep_id}")
    with transaction(here.engine) as connection:
        rows = {table: count for table, count in connection.execute(select_rows(sweep_id))}  # noqa: C416 - rows
    decisions = read_decisions(here, sweep_id=sweep_id, limit=DECISIONS_SHOWN)
    return {**found[0], "rows": rows, "decisions": decisions}


@router.post("/sweeps/{sweep_id}/approve", responses=REFUSED)
def approve(office: Here, person: Approver, sweep_id: Number, told: Told) -> Sweep:
    """Release a held sweep to act on its frozen plan, and on nothing that became due later.

    Who triggered it by hand cannot approve it. After a deletion there is no undo.
    """
    return office.acts(person.name).approve(sweep_id, told.reason)


@router.post("/sweeps/{sweep_id}/reject", responses=REFUSED)
def reject(office: Here, person: Operator, sweep_id: Number, told: Told) -> Sweep:
    """End a held sweep; the next tick judges anew what is due."""
    return office.acts(person.name).reject(sweep_id, told.reason)


@router.get("/decisions")
def decisions(office: Here, _: Viewer, before: Before = None, limit: Limit = 20) -> Decisions:
    """List who decided what and why, newest first; what the worker decided by itself, too."""
    return {"decisions": read_decisions(office.deployment, before=before, limit=limit)}
