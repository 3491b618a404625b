"""PostgreSQL's own catalogs, as far as partitions and constraints are asked about."""

from typing import Any

from sqlalchemy import CHAR, Boolean, Float, Integer, Text, cast, column, func, table
from sqlalchemy.dialects.postgresql import ARRAY, OID, REGCLASS, array

from tasks.statements.purge import owned_tables

__all__ = ["CLASSES", "CONSTRAINTS", "FIRES", "INDEXES", "INHERITS", "TRIGGERS", "owned_relations"]

CLASSES = table(
    "pg_class",
    column("oid", REGCLASS),
    column("relname", Text),
    column("relkind", CHAR),
    column("reltuples", Float),
    schema="pg_catalog",
)
INHERITS = table("pg_inherits", column("inhrelid", REGCLASS), column("inhparent", REGCLASS), schema="pg_catalog")
INDEXES = table(
    "pg_index",
    column("indexrelid", REGCLASS),
    column("indrelid", REGCLASS),
    column("indisvalid", Boolean),
    schema="pg_catalog",
)
TRIGGERS = table(
    "pg_trigger",
    column("tgrelid", REGCLASS),
    column("tgconstraint", OID),
    column("tgname", Text),
    column("tgenabled", CHAR),
    column("tgisinternal", Boolean),
    column("tgtype", Integer),
    schema="pg_catalog",
)
CONSTRAINTS = table(
    "pg_constraint",
    column("oid", OID),
    column("conrelid", REGCLASS),
    column("conname", Text),
    column("contype", CHAR),
    schema="pg_catalog",
)
# What `tgenabled` of a trigger is that fires.
FIRES = ("O", "A")


def owned_relations(*others: str) -> Any:
    """Return an array: `accounts`, what is an account's, and others; NULL for a table that is not there."""
    names = [*(table.name for table in owned_tables()), *others]
    return cast(array([func.to_regclass(name) for name in names]), ARRAY(REGCLASS))
