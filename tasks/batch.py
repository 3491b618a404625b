"""One batch: claim, look again, act, log, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from models import Policy, PolicyName
from models.errors import StatementError
from tasks.rules.cutoff import Cutoff
from tasks.statements.claim import claim, judge, take_lane
from tasks.statements.counter_only import delete_sessions, move_accounts
from tasks.statements.log import insert_actions, insert_receipt
from tasks.statements.purge import purge_steps
from tasks.transaction import transaction

__all__ = ["Batch", "run_batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch did.

    Attributes:
        claimed: accounts locked; 0 means that nothing due could be claimed.
        accounts: accounts acted on; fewer than claimed where one was no longer due.
        receipt_id: the batch's receipt; None when no account was acted on.
    """

    claimed: int = 0
    accounts: int = 0
    receipt_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Acts:
    accounts: list[int]
    events: list[datetime]
    rows: dict[str, int]


def run_batch(engine: Engine, policy: Policy, cutoff: Cutoff, *, sweep_id: int, lane: int, limit: int) -> Batch | None:
    """Act on the oldest due accounts, up to `limit`, and log each, in one transaction.

    Returns:
        What was done, or None where another drain is on this lane.

    Raises:
        Unavailable: see `transaction`.
        StatementError: the database refused a statement; nothing was done.
    """
    with transaction(engine) as connection:
        if not connection.scalar(take_lane(sweep_id, lane)):
            return None
        claimed = connection.scalars(claim(cutoff, limit=limit)).all()
        if not claimed:
            return Batch()
        acts = ACTING[cutoff.policy](connection, cutoff, claimed)
        if not acts.accounts:
            return Batch(claimed=len(claimed))
        receipt_id = _log(connection, policy, acts, sweep_id)
    return Batch(len(claimed), len(acts.accounts), receipt_id)


def _move_to_counter_only(connection: Connection, cutoff: Cutoff, claimed: Sequence[int]) -> _Acts:
    moved = connection.execute(move_accounts(cutoff), {"claimed": claimed}).all()
    accounts = [account_id for account_id, _ in moved]
    sessions = connection.execute(delete_sessions(), {"claimed": accounts}).rowcount
    rows = {"accounts": len(moved), "login_sessions": sessions}
    return _Acts(accounts, [event_at for _, event_at in moved], rows)


def _purge(connection: Connection, cutoff: Cutoff, claimed: Sequence[int]) -> _Acts:
    due = connection.execute(judge(cutoff), {"claimed": claimed}).all()
    accounts = [account_id for account_id, _ in due]
    rows = {table: connection.execute(step, {"claimed": accounts}).rowcount for table, step in purge_steps()}
    if rows["accounts"] != len(accounts):
        raise StatementError(f"{rows['accounts']} accounts went where {len(accounts)} were locked as due")
    return _Acts(accounts, [event_at for _, event_at in due], rows)


ACTING = {PolicyName.COUNTER_ONLY: _move_to_counter_only, PolicyName.PURGE: _purge}


def _log(connection: Connection, policy: Policy, acts: _Acts, sweep_id: int) -> int:
    receipt_id = connection.execute(
        insert_receipt(sweep_id=sweep_id, action=policy.name, accounts=len(acts.accounts), rows=acts.rows)
    ).scalar_one()
    connection.execute(
        insert_actions(sweep_id=sweep_id, action=policy.name, receipt_id=receipt_id),
        {
            "accounts": acts.accounts,
            "events": acts.events,
            "dues": [policy.due_from(event_at) for event_at in acts.events],
        },
    )
    return receipt_id
