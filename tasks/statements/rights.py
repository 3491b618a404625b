"""Who may do what on which table: the worker's rights and the reader's columns, read from the metadata."""

from collections.abc import Iterator, Sequence

from sqlalchemy import CheckConstraint, Column, Table, Text

from models import Base
from models.base import HIDDEN, WORKER, one_of
from models.guess import GUESSES
from tasks.statements.purge import owned_tables

__all__ = ["VERSION_TABLE", "readable_columns", "sequences", "worker_rights"]

# Alembic's own; whoever connects compares its revision.
VERSION_TABLE = "alembic_version"

PURGED = ("SELECT", "DELETE")
KEPT = ("SELECT", "INSERT", "UPDATE", "DELETE")


def worker_rights(table: Table) -> tuple[str, ...]:
    """Return what the worker may do on a table.

    On what is an account's that is what a purge needs, on the worker's own tables anything; a model that needs more,
    or less, says so. The log says less: it is read and added to.
    """
    said: tuple[str, ...] | None = table.info.get(WORKER)
    if said is not None:
        return said
    return PURGED if table in owned_tables() else KEPT


def readable_columns(table: Table) -> list[str]:
    """Return the columns that a reader may see, for dashboards and reports: none that may hold personal data.

    Of what is an account's: numbers, instants, and text that a constraint holds to some known words. So a column that
    somebody adds, as for a name or an address, is hidden until a constraint says that it is neither.
    """
    personal = table in owned_tables()
    return [
        column.name
        for column in table.columns
        if not column.info.get(HIDDEN) and not (personal and isinstance(column.type, Text) and not _is_word(column))
    ]


def sequences() -> Iterator[str]:
    """Return the sequences that give out the numbers of rows which the worker writes, and of attempts."""
    yield GUESSES.name
    for table in Base.metadata.sorted_tables:
        if "INSERT" in worker_rights(table):
            numbered = [each.name for each in table.columns if each.identity is not None]
            yield from (f"{table.name}_{name}_seq" for name in numbered)


def _is_word(column: Column[str]) -> bool:
    """Whether a constraint lists what the column may hold."""
    constraints: Sequence[object] = list(column.table.constraints)
    return any(
        isinstance(each, CheckConstraint) and str(each.sqltext).startswith(one_of(column.name).removesuffix("])"))
        for each in constraints
    )
