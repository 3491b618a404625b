"""Freeing an e-mail address: time decides, so that of an account past its window is free, however late the worker."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Account, Policies, PolicyName, State, SweepStatus
from models.errors import AddressTakenError, Refused, SweepStoppedError
from tasks.hash_partitions import acts_by_partition
from tasks.rules.cutoff import Cutoff
from tasks.rules.steps import steps
from tasks.seal import seal
from tasks.statements.accounts import lock_address_holder
from tasks.statements.claim import keep_pauses_out
from tasks.statements.counter_only import move_claimed
from tasks.statements.sweeps import end_sweep, insert_sweep, start_sweep

__all__ = ["free_address"]

# The purge asks for no address, so an account that is due for it frees its address all the same.
LEFT_TO_THE_PURGE = datetime.min.replace(tzinfo=UTC)

# Why is nothing that somebody who registers should learn; `explain` and `status` tell the operators.
NOT_NOW = "this e-mail address cannot be given away now; an office can say more"


def free_address(session: Session, policies: Policies, address: str, *, by: str, but_for: int | None = None) -> None:
    """Make sure that an address may be given away: move the account past its window that still has it.

    Args:
        session: in the transaction that gives the address away.
        policies: whose window decides.
        address: as a person gives it.
        by: who gives it away; recorded as who asked for the move.
        but_for: the account that it is given to, which may have it.

    Raises:
        AddressTakenError: another account has it, and keeps it.
        Refused: a hold, an anomaly or a pause keeps the account as it is, with its address.
    """
    holder = session.scalar(lock_address_holder(but_for=but_for), {"address": address})
    if holder is None:
        return
    # The transaction's time, by which the moving statement judges, too; it may be a moment before the lock was had.
    now = session.scalars(select(func.now())).one()
    state = holder.effective_state(now, policies.counter_only)
    if state is State.ACTIVE:
        raise AddressTakenError("an account has this e-mail address; log in to that one")
    if state is State.WITHDRAWN:
        raise AddressTakenError("a withdrawn account has this e-mail address; reactivate that one instead")
    _complete_move(session, policies, holder, now, by)


def _complete_move(session: Session, policies: Policies, account: Account, now: datetime, by: str) -> None:
    """Do for one account what the late worker would, by the same statement and with the same log."""
    policy = policies.counter_only
    cutoff = Cutoff(PolicyName.COUNTER_ONLY, policy.cutoff(now), purge_at=LEFT_TO_THE_PURGE)
    # No fingerprint: it was judged by its person's wish, and is no example for the policy's own sweeps.
    asked = insert_sweep(cutoff, as_of=now, tick=None, actor=by, reason="its address is given away", fingerprint=None)
    sweep_id = session.execute(asked).scalar_one()
    assert account.withdrawn_at is not None  # noqa: S101 - its window is over
    starts, dues = steps(policy, [account.withdrawn_at.astimezone(UTC).date()])
    claimed = {"claimed": f"{{{account.id}}}", "starts": starts, "dues": dues}
    move = move_claimed(cutoff, sweep_id, partitioned=acts_by_partition(session.connection()))
    moved = session.execute(move, claimed).one_or_none()
    if moved is None:
        raise Refused(NOT_NOW)
    session.execute(start_sweep(sweep_id, due=1, allowed=1, seen=SweepStatus.QUEUED))
    session.execute(keep_pauses_out(policy.name))
    try:
        seal(session.connection(), moved, sweep_id=sweep_id, policy=policy)
    except SweepStoppedError:  # the policy is paused
        raise Refused(NOT_NOW) from None
    session.execute(end_sweep(sweep_id))
    session.expire(account)
