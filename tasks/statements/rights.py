"""Who may do what on which table: worker, web server and reader, read from the metadata."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, Table, Text

from models import Base
from models.base import HIDDEN, SHOWN, WEB_SERVER, WORKER, one_of
from models.guess import GUESSES
from tasks.statements.purge import owned_tables

__all__ = ["VERSION_TABLE", "Kind", "readable_columns", "rights_on", "sequences"]

# Alembic's own; whoever connects compares its revision.
VERSION_TABLE = "alembic_version"

PURGED = ("SELECT", "DELETE")
KEPT = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Kind(StrEnum):
    """What a role is for; its value is part of the role's name."""

    WORKER = "worker"
    WEB_SERVER = "web_server"
    READER = "reader"


def rights_on(name: str, kind: Kind) -> dict[str, Sequence[str] | None]:
    """Return what a kind of role may do on the table of that name: each right, and its columns, or None for all.

    The worker: on what is an account's that is what a purge needs, on its own tables anything; a model that needs
    more, or less, says so. The log says less: it is read and added to. A reader sees the readable columns. The web
    server does, too, with what staff wrote about an account, and writes where a model says so.
    """
    if name == VERSION_TABLE:
        return {"SELECT": None}
    table = Base.metadata.tables[name]
    if kind is Kind.WORKER:
        return dict.fromkeys(_worker_rights(table))
    serving = kind is Kind.WEB_SERVER
    columns = readable_columns(table, shown=serving)
    seen: dict[str, Sequence[str] | None] = {"SELECT": columns} if columns else {}
    return seen | (table.info.get(WEB_SERVER, {}) if serving else {})


def readable_columns(table: Table, *, shown: bool = False) -> list[str]:
    """Return the columns that a reader may see, for dashboards and reports: none that may hold personal data.

    Of what is an account's: numbers, instants, and text that a constraint holds to some known words. So a column that
    somebody adds, as for a name or an address, is hidden until a constraint says that it is neither. With `shown` also
    what a model says is shown to people who have logged in.
    """
    personal = table in owned_tables()
    return [
        column.name
        for column in table.columns
        if (shown and column.info.get(SHOWN))
        or not (column.info.get(HIDDEN) or (personal and isinstance(column.type, Text) and not _is_word(column)))
    ]


def _worker_rights(table: Table) -> tuple[str, ...]:
    said: tuple[str, ...] | None = table.info.get(WORKER)
    if said is not None:
        return said
    return PURGED if table in owned_tables() else KEPT


def sequences() -> Iterator[str]:
    """Return the sequences that give out the numbers of rows which the worker writes, and of attempts."""
    yield GUESSES.name
    for table in Base.metadata.sorted_tables:
        if "INSERT" in _worker_rights(table):
            numbered = [each.name for each in table.columns if each.identity is not None]
            yield from (f"{table.name}_{name}_seq" for name in numbered)


def _is_word(column: Column[str]) -> bool:
    """Whether a constraint lists what the column may hold."""
    constraints: Sequence[object] = list(column.table.constraints)
    return any(
        isinstance(each, CheckConstraint) and str(each.sqltext).startswith(one_of(column.name).removesuffix("])"))
        for each in constraints
    )
