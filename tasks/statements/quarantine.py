"""Quarantine: counting failures of single accounts, setting them aside, trying them again."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert

from models import PolicyName, Quarantine

__all__ = [
    "count_failure",
    "count_failures",
    "count_set_aside",
    "retry_account",
    "select_quarantine",
    "select_set_aside",
]

FAILURES_SHOWN = 10


def count_failure(
    account_id: int, policy: PolicyName, *, failure: str, most: int
) -> ReturningInsert[int, datetime | None]:
    """Count a failure of one account; with the `most`-th it is set aside. One row (attempts, set aside at).

    An account that has gone meanwhile breaks the foreign key, which is an error.
    """
    now = func.clock_timestamp()
    row = {"account_id": account_id, "policy": policy.value, "attempts": 1, "failure": failure}
    counted = insert(Quarantine).values(**row, first_at=now, last_at=now, set_aside_at=now if most <= 1 else None)
    attempts = Quarantine.attempts + 1
    spent: ColumnElement[datetime | None] = case((attempts >= most, now))
    again = {"attempts": attempts, "failure": failure, "last_at": now, "set_aside_at": spent}
    return counted.on_conflict_do_update(index_elements=["account_id", "policy"], set_=again).returning(
        Quarantine.attempts, Quarantine.set_aside_at
    )


def count_set_aside() -> Select[str, int]:
    """Count accounts that are set aside: a row (policy, accounts) for each policy with any."""
    aside = select(Quarantine.policy, func.count()).where(Quarantine.set_aside_at.is_not(None))
    return aside.group_by(Quarantine.policy).order_by(Quarantine.policy)


def count_failures() -> Select[str, int]:
    """Count accounts that are set aside by what failed: rows (failure, accounts), the most frequent first."""
    aside = select(Quarantine.failure, func.count()).where(Quarantine.set_aside_at.is_not(None))
    return aside.group_by(Quarantine.failure).order_by(func.count().desc(), Quarantine.failure).limit(FAILURES_SHOWN)


def select_set_aside(account_id: int) -> Select[str, str]:
    """Select for which policies one account is set aside: rows (policy, failure)."""
    aside = (Quarantine.account_id == account_id, Quarantine.set_aside_at.is_not(None))
    return select(Quarantine.policy, Quarantine.failure).where(*aside).order_by(Quarantine.policy)


def select_quarantine(*, limit: int) -> Select[Any]:
    """Select failing accounts, those set aside for longest first: every column of `quarantine`."""
    columns = Quarantine.__table__.columns
    return select(*columns).order_by(Quarantine.set_aside_at, Quarantine.account_id).limit(limit)


def retry_account(account_id: int | None, policy: PolicyName | None = None) -> ReturningDelete[int, str]:
    """Forget the failures of one account, or with None of all; of one policy, or of both: rows (account_id, policy)."""
    forgotten = delete(Quarantine).returning(Quarantine.account_id, Quarantine.policy)
    if account_id is not None:
        forgotten = forgotten.where(Quarantine.account_id == account_id)
    return forgotten if policy is None else forgotten.where(Quarantine.policy == policy.value)
