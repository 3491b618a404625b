"""One batch: claim, look again, act, log, seal, in one transaction."""

from dataclasses import dataclass

from sqlalchemy import Engine

from models import Policy, PolicyName
from models.proof import Head
from tasks.rules.cutoff import Cutoff
from tasks.rules.steps import steps
from tasks.seal import seal
from tasks.statements.claim import claim, take_lane
from tasks.statements.counter_only import move_claimed
from tasks.statements.purge import purge_claimed
from tasks.transaction import transaction

__all__ = ["Batch", "run_batch"]

ACTING = {PolicyName.COUNTER_ONLY: move_claimed, PolicyName.PURGE: purge_claimed}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch did.

    Attributes:
        claimed: accounts locked; 0 means that nothing due could be claimed.
        accounts: accounts acted on; fewer than claimed where one was no longer due.
        receipt_id: the batch's receipt; None when no account was acted on.
        head: of the chain, with that receipt as its last.
    """

    claimed: int = 0
    accounts: int = 0
    receipt_id: int | None = None
    head: Head | None = None


def run_batch(engine: Engine, policy: Policy, cutoff: Cutoff, *, sweep_id: int, lane: int, limit: int) -> Batch | None:
    """Act on the oldest due accounts, up to `limit`, and log each, in one transaction.

    Returns:
        What was done, or None where another drain is on this lane.

    Raises:
        Unavailable: see `transaction`.
        StatementError: the database refused a statement; nothing was done.
        SweepStoppedError: the sweep may not go on; nothing was done.
    """
    with transaction(engine) as connection:
        if not connection.scalar(take_lane(sweep_id, lane)):
            return None
        accounts, claimed, dates = connection.execute(claim(cutoff), {"most": limit}).one()
        if not accounts:
            return Batch()
        starts, dues = steps(policy, dates or ())
        acted = connection.execute(
            ACTING[cutoff.policy](cutoff, sweep_id), {"claimed": claimed, "starts": starts, "dues": dues}
        ).one_or_none()
        if acted is None:
            return Batch(accounts)
        head = seal(connection, acted, sweep_id=sweep_id, action=cutoff.policy)
    return Batch(accounts, acted.accounts, acted.receipt_id, head)
