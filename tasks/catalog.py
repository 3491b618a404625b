"""The live database's catalog against the metadata: would a purge reach everything, and quickly?"""

from collections.abc import Iterator

from sqlalchemy import Connection, Inspector, func, inspect, select

from models import Account, Base
from tasks.statements.purge import owned_tables

__all__ = ["catalog_faults"]

FATES = {
    "CASCADE": "delete its rows without a word in the log",
    "SET NULL": "leave its rows behind without an owner",
    "SET DEFAULT": "leave its rows behind with another owner",
}
SYSTEM_SCHEMAS = ("information_schema", "pg_catalog", "pg_toast")


def catalog_faults(connection: Connection) -> list[str]:
    """Return what a purge would stumble over, a sentence each; empty when all is well.

    Looked for: a table that refers to what is purged and that this program does not know; a reference without an
    index that begins with its column, which makes each delete read the whole table; a table that is missing.
    """
    inspector = inspect(connection)
    path: list[str] = connection.execute(select(func.current_schemas(False))).scalar_one()
    # The first on the search path that has accounts, as every statement of ours finds it.
    home = next((schema for schema in path if inspector.has_table(Account.__tablename__, schema)), path[0])
    present = set(inspector.get_table_names(home))
    faults = [f"table {name} is missing" for name in sorted(Base.metadata.tables.keys() - present)]
    for schema in inspector.get_schema_names():
        if schema not in SYSTEM_SCHEMAS:
            faults += _faults_in(inspector, schema, home)
    return faults


def _faults_in(inspector: Inspector, schema: str, home: str) -> Iterator[str]:
    owned = {table.name for table in owned_tables()}
    indexed = inspector.get_multi_indexes(schema)
    keys = inspector.get_multi_pk_constraint(schema)
    for (_, table), references in inspector.get_multi_foreign_keys(schema).items():
        leading = {tuple(each["column_names"][:1]) for each in indexed.get((_, table), [])}
        leading.add(tuple(keys[_, table]["constrained_columns"][:1]))
        for reference in references:
            if reference["referred_table"] not in owned or (reference["referred_schema"] or home) != home:
                continue
            column = reference["constrained_columns"][0]
            fate = FATES.get(reference.get("options", {}).get("ondelete", ""), "fail as a whole")
            place = table if schema == home else f"{schema}.{table}"
            if schema != home or table not in owned:
                yield f"table {place} refers to {reference['referred_table']} and is unknown: a purge would {fate}"
            if (column,) not in leading:
                yield f"{place}.{column} refers to {reference['referred_table']} without an index: purges would crawl"
