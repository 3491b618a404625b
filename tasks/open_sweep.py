"""Loading a sweep: its row, and whom it is about."""

from typing import Any

from sqlalchemy import Row

from models import PolicyName
from models.errors import Refused
from tasks.base import Runtime
from tasks.rules.cutoff import Cutoff
from tasks.statements.sweeps import select_sweeps
from tasks.transaction import transaction

__all__ = ["open_sweep"]


def open_sweep(runtime: Runtime, sweep_id: int) -> tuple[Row[Any], Cutoff]:
    """Return a sweep's row, and its cutoff; that of an approved one is limited to its frozen plan.

    Raises:
        Refused: there is no such sweep.
    """
    with transaction(runtime.engine) as connection:
        found = connection.execute(select_sweeps(ids=[sweep_id])).one_or_none()
    if found is None:
        raise Refused(f"there is no sweep {sweep_id}")
    plan_of = sweep_id if found.approved_at else None
    name = PolicyName(found.policy)
    return found, Cutoff(name, found.cutoff, runtime.policies.purge.cutoff(found.as_of), plan_of)
