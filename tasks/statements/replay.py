"""Replaying: what a backup brought back, found by its number and its event, and acted on once more."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    TableValuedAlias,
    and_,
    any_,
    bindparam,
    column,
    func,
    literal,
    not_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from models import Account, JobSeeking, PolicyName, Receipt, State, Status
from tasks.statements.counter_only import WITHOUT_CREDENTIALS, moved_rows
from tasks.statements.due import held
from tasks.statements.log import counted
from tasks.statements.purge import deletions

__all__ = ["act_again", "lock_accounts", "select_known", "select_returned"]

INSTANTS = ARRAY(DateTime(timezone=True))
NUMBERS = ARRAY(BigInteger)


def select_known(digests: list[bytes]) -> Select[bytes, bytes | None]:
    """Select receipts that are, or that replay, one of these: rows (digest, digest of the one replayed)."""
    return select(Receipt.digest, Receipt.replays).where(Receipt.digest.in_(digests) | Receipt.replays.in_(digests))


def lock_accounts(account_ids: list[int]) -> Select[int]:
    """Lock accounts, those that are there, in the order of their numbers."""
    numbers = literal(account_ids, NUMBERS)
    return select(Account.id).where(Account.id == any_(numbers)).order_by(Account.id).with_for_update(of=Account)


def select_returned(policy: PolicyName) -> Select[int, bool, bool]:
    """Select accounts that the log says were acted on, and that are there: rows (account_id, is_same, is_held).

    `is_same` where the event is still the one that was acted on: only then is it what a backup brought back, and not
    another account under the same number, nor one that a person has changed since. Of those moved, others are none.

    Parameters: arrays account_ids, event_ats, acted_ats.
    """
    given = _given()
    same = _same(policy, given)
    rows = (
        select(Account.id, same, held(func.now()))
        .select_from(given.join(Account, Account.id == given.c.account_id))
        .outerjoin(JobSeeking, JobSeeking.account_id == Account.id)
        .order_by(Account.id)
    )
    return rows if policy is PolicyName.PURGE else rows.where(same)


def act_again(policy: PolicyName, sweep_id: int, *, partitioned: bool) -> Select[dict[str, int]]:
    """Act once more on accounts that a backup brought back and nobody holds: one row, the rows changed by table.

    Parameters as of `select_returned`; `partitioned` is whether accounts are, by their hash.
    """
    given = _given()
    if policy is PolicyName.PURGE:
        doomed = (
            select(Account.id.label("account_id"), given.c.event_at)
            .select_from(given.join(Account, Account.id == given.c.account_id))
            .join(JobSeeking, JobSeeking.account_id == Account.id)
            .where(_same(policy, given), not_(held(func.now())))
            .cte("doomed")
            .prefix_with("MATERIALIZED")
        )
        deleted, kept = deletions(doomed, sweep_id, partitioned=partitioned)
        return select(counted(deleted)).add_cte(kept)
    return select(counted(moved_rows(_moved(given), partitioned=partitioned)))


def _moved(given: TableValuedAlias) -> CTE:
    return (
        update(Account)
        .where(Account.id == given.c.account_id, _same(PolicyName.COUNTER_ONLY, given), not_(held(func.now())))
        .values(**WITHOUT_CREDENTIALS, counter_only_at=given.c.acted_at)
        .returning(Account.id.label("account_id"), given.c.event_at)
        .cte("moved")
    )


def _same(policy: PolicyName, given: TableValuedAlias) -> ColumnElement[bool]:
    event: ColumnElement[datetime] = given.c.event_at
    if policy is PolicyName.PURGE:
        return and_(JobSeeking.status == Status.INVALID, JobSeeking.invalidated_at == event).is_(True)
    return and_(Account.state == State.WITHDRAWN, Account.withdrawn_at == event).is_(True)


def _given() -> TableValuedAlias:
    arrays: list[Any] = [
        bindparam("account_ids", type_=NUMBERS),
        bindparam("event_ats", type_=INSTANTS),
        bindparam("acted_ats", type_=INSTANTS),
    ]
    columns = (
        column("account_id", BigInteger),
        column("event_at", DateTime(timezone=True)),
        column("acted_at", DateTime(timezone=True)),
    )
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
