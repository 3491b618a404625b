"""PostgreSQL's own catalogs, as far as partitions are asked about."""

from sqlalchemy import CHAR, Boolean, Integer, Text, column, table
from sqlalchemy.dialects.postgresql import REGCLASS

__all__ = ["CLASSES", "CONSTRAINTS", "FIRES", "INDEXES", "INHERITS", "TRIGGERS"]

CLASSES = table(
    "pg_class", column("oid", REGCLASS), column("relname", Text), column("relkind", CHAR), schema="pg_catalog"
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
    column("tgname", Text),
    column("tgenabled", CHAR),
    column("tgisinternal", Boolean),
    column("tgtype", Integer),
    schema="pg_catalog",
)
CONSTRAINTS = table(
    "pg_constraint",
    column("conrelid", REGCLASS),
    column("conname", Text),
    column("contype", CHAR),
    schema="pg_catalog",
)
# What `tgenabled` of a trigger is that fires.
FIRES = ("O", "A")
