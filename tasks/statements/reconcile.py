"""Reconciling: what is left that was due, what was touched that was not, and whether receipts and actions agree.

Nothing here is shared with the statements that act, except the tables.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Subquery,
    all_,
    and_,
    any_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from models import (
    Account,
    Action,
    Hold,
    JobSeeking,
    Policies,
    Policy,
    PolicyName,
    Quarantine,
    Receipt,
    State,
    Status,
    Sweep,
    Transition,
)
from models.base import Instant
from tasks.statements.law import bound_as_of, with_lawful_instant
from tasks.statements.tally import Tally, tally

__all__ = [
    "COUNTED_AT_MOST",
    "judge_actions",
    "judge_receipts",
    "judge_repeated",
    "judge_unreceipted",
    "left_by_counter_only",
    "left_by_purge",
    "select_bounds",
    "select_neighbours",
    "select_receipts",
    "select_sweep",
]

COUNTED_AT_MOST = 10_000

# Written into the statement, not bound to it, or a plan made for any value could not use the partial indexes.
INVALID = literal(Status.INVALID.value, literal_execute=True)
WITHDRAWN = literal(State.WITHDRAWN.value, literal_execute=True)


def select_sweep(*, sweep_id: int | None = None, receipt_id: int | None = None) -> Select[*tuple[Any, ...]]:
    """Select one sweep, or that of a receipt: a row (id, policy, as_of, cutoff, accounts), or none."""
    rows = select(Sweep.id, Sweep.policy, Sweep.as_of, Sweep.cutoff, Sweep.accounts)
    if receipt_id is not None:
        rows = rows.join(Receipt, Receipt.sweep_id == Sweep.id).where(Receipt.id == receipt_id)
    return rows if sweep_id is None else rows.where(Sweep.id == sweep_id)


def select_bounds(policies: Policies, as_of: datetime) -> Select[datetime, datetime]:
    """Select the bounds that `as_of` fixes: one row, on `invalidated_at` inclusive, on `withdrawn_at` exclusive."""
    return select(bound_as_of(policies.purge, as_of), bound_as_of(policies.counter_only, as_of))


def left_by_purge(as_of: datetime, *, purge_at: datetime) -> Tally:
    """Tally accounts that the purge had to delete.

    The bound is a value, not an expression: so an index is read up to it, whatever the statistics say.
    """
    anomalous = or_(
        and_(Account.state == State.WITHDRAWN, Account.withdrawn_at.is_(None)),
        func.greatest(Account.withdrawn_at, Account.counter_only_at) > as_of,
    )
    left = (
        select(JobSeeking.account_id)
        .join(Account, Account.id == JobSeeking.account_id)
        .where(
            JobSeeking.status == INVALID,
            JobSeeking.invalidated_at <= purge_at,
            anomalous.is_not(True),
            not_(_kept_back(JobSeeking.account_id, as_of, PolicyName.PURGE)),
        )
        .order_by(JobSeeking.invalidated_at, JobSeeking.account_id)
    )
    return _left(left)


def left_by_counter_only(as_of: datetime, *, window_at: datetime, purge_at: datetime) -> Tally:
    """Tally accounts that had to be moved to counter-only recovery; who falls to the purge is left to it."""
    purged_or_anomalous = exists().where(
        JobSeeking.account_id == Account.id,
        JobSeeking.status == Status.INVALID,
        and_(JobSeeking.invalidated_at > purge_at, JobSeeking.invalidated_at <= as_of).is_not(True),
    )
    left = (
        select(Account.id.label("account_id"))
        .where(
            Account.state == WITHDRAWN,
            Account.withdrawn_at < window_at,
            not_(purged_or_anomalous),
            not_(_kept_back(Account.id, as_of, PolicyName.COUNTER_ONLY)),
        )
        .order_by(Account.withdrawn_at, Account.id)
    )
    return _left(left)


def _kept_back(account_id: SQLColumnExpression[int], as_of: datetime, policy: PolicyName) -> ColumnElement[bool]:
    """Return the condition that something keeps an account from a sweep for good reason.

    As of the sweep's instant, so that what a person did after the sweep looked raises no alarm: a hold released
    since, and whatever else the account's history tells. The next sweep's reconciliation judges such an account.
    Each further reason to leave an account alone is one more `exists` here.
    """
    return or_(
        exists().where(Hold.account_id == account_id, or_(Hold.released_at.is_(None), Hold.released_at > as_of)),
        exists().where(Transition.account_id == account_id, Transition.at > as_of),
        exists().where(
            Quarantine.account_id == account_id,
            Quarantine.policy == policy.value,
            Quarantine.set_aside_at.is_not(None),
        ),
    )


def _left(accounts: Select[int]) -> Tally:
    left = accounts.limit(COUNTED_AT_MOST).subquery()
    fault = f"accounts that were due are still there (counted up to {COUNTED_AT_MOST})"
    return tally(select(left), left.c.account_id, {fault: true()})


def select_receipts(sweep_id: int, *, after: int | None, limit: int) -> Select[int]:
    """Select the next receipts of a sweep, by id: one column."""
    rows = select(Receipt.id).where(Receipt.sweep_id == sweep_id).order_by(Receipt.id).limit(limit)
    return rows if after is None else rows.where(Receipt.id > after)


def select_neighbours(first: int | None, last: int | None) -> Select[int | None, int | None]:
    """Select which receipts, of any sweep, come before `first` and after `last`: one row, NULL where none does.

    Without `first`, the last receipt of all, and none after it.
    """
    before = select(func.max(Receipt.id))
    after = select(func.min(Receipt.id)).where(false() if last is None else Receipt.id > last)
    if first is not None:
        before = before.where(Receipt.id < first)
    return select(before.scalar_subquery(), after.scalar_subquery())


def judge_actions(
    receipts: Sequence[int], policy: Policy, *, sweep_id: int, as_of: datetime, cutoff: datetime
) -> Tally:
    """Tally actions of these receipts that the law, computed anew from their events, did not allow."""
    lawful = _with_lawful_instant(_actions_of(receipts), policy)
    rows = lawful.c
    beyond = rows.event_at > cutoff if policy.name == PolicyName.PURGE else rows.event_at >= cutoff
    due_at = func.greatest(rows.due_at, rows.lawful_at)
    faults = {
        f"actions are none of a {policy.name} sweep": rows.action != policy.name,
        "actions name another sweep than their receipt": rows.sweep_id != sweep_id,
        "actions name another due instant than the law": rows.due_at != rows.lawful_at,
        "accounts were touched before they were due": due_at > rows.acted_at,
        "accounts were touched that were not due as of the sweep": due_at > as_of,
        "accounts were touched beyond the sweep's cutoff": beyond,
    }
    return tally(select(lawful), rows.account_id, faults)


def _with_lawful_instant(actions: Subquery, policy: Policy) -> FromClause:
    """Return actions with `lawful_at`, as `with_lawful_instant` has it, which takes longer than all else here.

    A later event is never due earlier. So where the law gives the due instant that some actions name to the first and
    to the last of their events, it gives it to each between; only where it does not is it computed for each.
    """
    ends = func.unnest(array([func.min(actions.c.event_at), func.max(actions.c.event_at)]), type_=Instant())
    named = select(actions.c.due_at, ends.label("event_at")).group_by(actions.c.due_at).subquery()
    judged = with_lawful_instant(named, policy)
    wrong = func.array(
        select(judged.c.due_at).where(judged.c.due_at != judged.c.lawful_at).scalar_subquery(), type_=ARRAY(Instant())
    )
    right = select(*actions.c, actions.c.due_at.label("lawful_at")).where(actions.c.due_at != all_(wrong))
    doubtful = select(*actions.c).where(actions.c.due_at == any_(wrong)).offset(0).subquery()
    computed = with_lawful_instant(doubtful, policy)
    return union_all(right, select(*(computed.c[name] for name in (*actions.c.keys(), "lawful_at")))).subquery()


def judge_repeated(receipts: Sequence[int], *, sweep_id: int) -> Tally:
    """Tally accounts of these receipts that their sweep touched more than once, each with its last receipt."""
    accounts = _actions_of(receipts)
    repeated = (
        select(Action.account_id)
        .where(Action.account_id == any_(_array(select(accounts.c.account_id))), Action.sweep_id == sweep_id)
        .group_by(Action.account_id)
        .having(func.count() > 1, func.max(Action.receipt_id) == any_(_given(receipts)))
        .subquery()
    )
    return tally(select(repeated), repeated.c.account_id, {"accounts were touched twice in one sweep": true()})


def judge_receipts(receipts: Sequence[int], policy: Policy) -> Tally:
    """Tally receipts that do not agree with their actions."""
    actions = select(func.count().label("actions")).where(Action.receipt_id == Receipt.id).lateral("actions")
    faults = {
        "receipts have no action": actions.c.actions == 0,
        "receipts count other accounts than they have actions": and_(
            actions.c.actions > 0, actions.c.actions != Receipt.accounts
        ),
        f"receipts are none of a {policy.name} sweep": Receipt.action != policy.name,
    }
    rows = select(Receipt.id).join(actions, true()).where(Receipt.id == any_(_given(receipts)))
    return tally(rows, Receipt.id, faults)


def judge_unreceipted(after: int | None, before: int | None) -> Tally:
    """Tally actions whose receipt would lie between two receipts, both exclusive, and does not exist.

    Asked between all neighbours, this finds each action without a receipt, by the index on receipts alone.
    """
    rows = select(Action.account_id).where(not_(exists().where(Receipt.id == Action.receipt_id)))
    if after is not None:
        rows = rows.where(Action.receipt_id > after)
    if before is not None:
        rows = rows.where(Action.receipt_id < before)
    unreceipted = rows.order_by(Action.receipt_id).limit(COUNTED_AT_MOST).subquery()
    return tally(select(unreceipted), unreceipted.c.account_id, {"actions have no receipt": true()})


def _actions_of(receipts: Sequence[int]) -> Subquery:
    return select(Action.__table__).where(Action.receipt_id == any_(_given(receipts))).subquery()


def _given(receipts: Sequence[int]) -> ColumnElement[list[int]]:
    return literal(list(receipts), ARRAY(BigInteger))


def _array(ids: Select[int]) -> ColumnElement[list[int]]:
    """Return ids as an array, each of which is one look into an index, whatever the statistics say."""
    return func.array(ids.scalar_subquery(), type_=ARRAY(BigInteger))
