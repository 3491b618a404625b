"""Purging: every row that is an account's, wherever foreign keys lead."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    ForeignKey,
    Select,
    Table,
    any_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.dml import ReturningDelete

from models import Account, Base, Document, DoomedFile
from tasks.rules.cutoff import Cutoff
from tasks.statements.among import among
from tasks.statements.claim import is_claimed
from tasks.statements.due import due
from tasks.statements.log import ids_of, logged

__all__ = ["deletions", "owned_tables", "purge_claimed"]


@lru_cache(maxsize=8)
def purge_claimed(cutoff: Cutoff, sweep_id: int, *, partitioned: bool) -> Select[Any]:
    """Delete everything of the claimed accounts that are still due, and log it; as `logged` says.

    One statement: its deletes see one snapshot, and foreign keys are checked when all of them are through. The keys
    of the files that documents named are kept in `doomed_files`, for their files are erased after the commit.

    `partitioned` is whether accounts are, by their hash; then each row says itself whose it is.
    """
    claimed = is_claimed(Account.id, partitioned=partitioned)
    doomed = due(cutoff, now=func.now()).where(claimed).cte("doomed").prefix_with("MATERIALIZED")
    deleted, kept = deletions(doomed, sweep_id, partitioned=partitioned)
    return logged(doomed, deleted, action=cutoff.policy, sweep_id=sweep_id).add_cte(kept)


def deletions(doomed: CTE, sweep_id: int, *, partitioned: bool) -> tuple[dict[str, CTE], CTE]:
    """Return what deletes everything of the accounts in `doomed`, a row for each deleted, by table; and what keeps
    the keys of their files.
    """
    deleted = {
        table.name: _deletion(doomed, table, partitioned=partitioned).cte(f"deleted_{table.name}")
        for table in owned_tables()
    }
    return deleted, _keep_keys(deleted[Document.__tablename__], sweep_id)


def owned_tables() -> list[Table]:
    """Return `accounts` and every table whose rows are an account's, children before parents.

    Derived from the metadata: whatever table refers to accounts, itself or through others, is in it.
    """
    owned: list[Table] = []
    for table in Base.metadata.sorted_tables:  # parents come first
        if table is _accounts() or any(key.column.table in owned for key in table.foreign_keys):
            owned.append(table)
    return owned[::-1]


def _deletion(doomed: CTE, table: Table, *, partitioned: bool) -> ReturningDelete[Any]:
    told = table.c.storage_key if table.name == Document.__tablename__ else literal(1)
    if partitioned:
        # The rows of an account lie together, and what they refer to lies there, too: no path is walked.
        account_id = table.c.id if table is _accounts() else table.c.account_id
        return delete(table).where(among(account_id, ids_of(doomed), partitioned=True)).returning(told)
    return delete(table).where(_is_of(doomed, table)).returning(told)


def _keep_keys(documents: CTE, sweep_id: int) -> CTE:
    named = select(documents.c.storage_key, literal(sweep_id, BigInteger)).where(documents.c.storage_key.is_not(None))
    return insert(DoomedFile).from_select(["storage_key", "sweep_id"], named).cte("kept_keys")


def _accounts() -> Table:
    return Base.metadata.tables[Account.__tablename__]


def _is_of(doomed: CTE, table: Table) -> ColumnElement[bool]:
    """Return the condition that a row of `table` belongs to a doomed account, on whichever path."""
    if table is _accounts():
        return table.c.id == any_(ids_of(doomed))
    return or_(*(_refers_to(doomed, key) for key in _owning_keys(table)))


def _owning_keys(table: Table) -> Iterator[ForeignKey]:
    owners = [owner for owner in owned_tables() if owner is not table]
    return (key for key in sorted(table.foreign_keys, key=str) if key.column.table in owners)


def _refers_to(doomed: CTE, key: ForeignKey) -> ColumnElement[bool]:
    parent = key.column.table
    if parent is _accounts():
        return key.parent == any_(ids_of(doomed))
    # As an array, so that the plan is one look into the index for each, whatever the statistics say.
    parents = select(key.column).where(_is_of(doomed, parent)).scalar_subquery()
    return key.parent == any_(func.array(parents))
