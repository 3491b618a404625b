"""Purging: every row that is an account's, children before parents."""

from collections.abc import Iterator
from functools import cache

from sqlalchemy import ColumnElement, Delete, ForeignKey, Table, any_, delete, or_, select

from models import Account, Base
from tasks.statements.claim import CLAIMED

__all__ = ["owned_tables", "purge_steps"]


@cache
def purge_steps() -> tuple[tuple[str, Delete], ...]:
    """Return (table name, statement deleting the claimed accounts' rows there), in an order foreign keys allow.

    Derived from the metadata: whatever table refers to accounts, itself or through others, is in it.
    """
    owned = owned_tables()
    return tuple(
        (table.name, delete(table).where(_is_of_claimed(table, owned)))
        for table in reversed(Base.metadata.sorted_tables)
        if table in owned
    )


def owned_tables() -> set[Table]:
    """Return `accounts` and every table whose rows are an account's."""
    owned = {Base.metadata.tables[Account.__tablename__]}
    for table in Base.metadata.sorted_tables:  # parents come first
        if any(key.column.table in owned for key in table.foreign_keys):
            owned.add(table)
    return owned


def _is_of_claimed(table: Table, owned: set[Table]) -> ColumnElement[bool]:
    """Return the condition that a row of `table` belongs to a claimed account, on whichever path."""
    accounts = Base.metadata.tables[Account.__tablename__]
    if table is accounts:
        return accounts.c.id == any_(CLAIMED)
    return or_(*(_refers_to_claimed(key, owned) for key in _owning_keys(table, owned)))


def _owning_keys(table: Table, owned: set[Table]) -> Iterator[ForeignKey]:
    return (key for key in table.foreign_keys if key.column.table in owned - {table})


def _refers_to_claimed(key: ForeignKey, owned: set[Table]) -> ColumnElement[bool]:
    accounts = Base.metadata.tables[Account.__tablename__]
    parent = key.column.table
    if parent is accounts:
        return key.parent == any_(CLAIMED)
    return key.parent.in_(select(key.column).where(_is_of_claimed(parent, owned)))
