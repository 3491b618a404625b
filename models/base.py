"""The declarative base: constraint names by convention, and instants that refuse to be naive."""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, Identity, MetaData, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

from models.errors import NaiveInstantError

__all__ = [
    "FINITE",
    "HIDDEN",
    "SHOWN",
    "WEB_SERVER",
    "WORKER",
    "Base",
    "CreatedAt",
    "Identifier",
    "Instant",
    "one_of",
    "require_aware",
]

# Keys of `info`. Of a table: what the worker may do on it, where that is not what its kind of table needs; and how the
# web server writes to it: each right, and the columns that it is for, or None. Of a column: nobody reads it who only
# looks on; or the web server does, for who has logged in.
# `tasks.statements.rights` has the rule.
WORKER, WEB_SERVER = "worker", "web_server"
HIDDEN, SHOWN = "hidden", "shown"

# Infinities and the years that stand for "unknown" are no dates; NULL is let in and shown as an anomaly.
# This, like each check of what is an account's, is said as PostgreSQL says it: so the catalog gate can compare the two.
FINITE = (
    "({0} >= '1900-01-01 00:00:00+00'::timestamp with time zone) AND "
    "({0} < '10000-01-01 00:00:00+00'::timestamp with time zone)"
)


def one_of(column: str, *words: str) -> str:
    """Return the check that a column holds one of these words, as PostgreSQL says `column IN (…)`."""
    quoted = ", ".join(f"'{word}'::text" for word in words)
    return f"{column} = ANY (ARRAY[{quoted}])"


def require_aware(instant: datetime) -> datetime:
    """Return `instant` unchanged.

    Raises:
        NaiveInstantError: it has no time zone.
    """
    if instant.utcoffset() is None:
        raise NaiveInstantError(f"{instant.isoformat()} has no time zone; give it an offset")
    return instant


class Instant(TypeDecorator[datetime]):
    """`timestamptz` whose bound values must be aware, and whose columns hold no infinity."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Let aware instants through."""
        return None if value is None else require_aware(value)


class Base(DeclarativeBase):
    """Every table of the schema hangs here; what is deleted, and in which order, is read from its metadata."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: dict[Any, Any] = {datetime: Instant, int: BigInteger, str: Text}  # noqa: RUF012 - SQLAlchemy's contract


Identifier = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
CreatedAt = Annotated[datetime, mapped_column(Instant, server_default=text("now()"))]
