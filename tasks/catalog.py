"""The live database's catalog against the metadata: would a purge reach everything, quickly, and only who is due?"""

from collections.abc import Iterator, Sequence

from sqlalchemy import CheckConstraint, Connection, Inspector, func, inspect, select

from models import Account, Base, JobSeeking
from tasks.hash_partitions import partition_faults
from tasks.statements.purge import owned_tables
from tasks.statements.remains import Reference, select_references

__all__ = ["catalog_faults"]

FATES = {
    "c": "delete its rows without a word in the log",
    "n": "leave its rows behind without an owner",
    "d": "leave its rows behind with another owner",
}


def catalog_faults(connection: Connection) -> list[str]:
    """Return what a purge would stumble over, a sentence each; empty when all is well.

    Looked for: a table that refers to what is purged and that this program does not know; a reference without an
    index that begins with its column, which makes each delete read the whole table; a table that is missing; a
    constraint by which dates are dates, without which minus infinity could be taken for long ago; a partition,
    where accounts are partitioned, that lacks what the whole has.
    """
    inspector = inspect(connection)
    path: list[str] = connection.execute(select(func.current_schemas(False))).scalar_one()
    # The first on the search path that has accounts, as every statement of ours finds it.
    home = next((schema for schema in path if inspector.has_table(Account.__tablename__, schema)), path[0])
    present = set(inspector.get_table_names(home))
    faults = [f"table {name} is missing" for name in sorted(Base.metadata.tables.keys() - present)]
    references = [Reference(*row) for row in connection.execute(select_references())]
    faults += _faults_in(inspector, [each for each in references if each.parent_schema == home], home)
    faults += _open_to_nonsense(inspector, present, home)
    return [*faults, *partition_faults(connection)]


def _open_to_nonsense(inspector: Inspector, present: set[str], home: str) -> Iterator[str]:
    """Yield what the law relies on and the database does not see to."""
    for table in (Base.metadata.tables[model.__tablename__] for model in (Account, JobSeeking)):
        if table.name not in present:
            continue
        checked = {
            each["name"]
            for each in inspector.get_check_constraints(table.name, home)
            if not each.get("dialect_options", {}).get("not_valid")
        }
        for name in sorted(str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)):
            if name not in checked:
                yield f"{table.name} lacks the constraint {name}, or never was judged by it: nonsense could fall due"


def _faults_in(inspector: Inspector, references: Sequence[Reference], home: str) -> Iterator[str]:
    owned = {table.name for table in owned_tables()}
    for reference in references:
        if reference.parent_name not in owned:
            continue
        schema, table, column = reference.child_schema, reference.child_name, reference.columns[0]
        fate = FATES.get(reference.on_delete, "fail as a whole")
        place = table if schema == home else f"{schema}.{table}"
        if schema != home or table not in owned:
            yield f"table {place} refers to {reference.parent_name} and is unknown: a purge would {fate}"
        leading = {each["column_names"][0] for each in inspector.get_indexes(table, schema)}
        leading |= set(inspector.get_pk_constraint(table, schema)["constrained_columns"][:1])
        if column not in leading:
            yield f"{place}.{column} refers to {reference.parent_name} without an index: purges would crawl"
