"""The live database's catalog against the metadata: would a purge reach everything, quickly, and only who is due?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Inspector, func, inspect, select

from models import Account, Base
from tasks.hash_partitions import partition_faults
from tasks.statements.constraints import required, select_constraints
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
    constraint that is missing, or says something else than it must, or is not enforced: of those by which dates are
    dates, without which minus infinity could be taken for long ago, and of the references, without which a hold could
    be placed on an account that is being deleted; a partition, where accounts are partitioned, that lacks what the
    whole has.

    To be asked in a `transaction`, for PostgreSQL quotes an instant in its time zone, here UTC.
    """
    inspector = inspect(connection)
    path: list[str] = connection.execute(select(func.current_schemas(False))).scalar_one()
    # The first on the search path that has accounts, as every statement of ours finds it.
    home = next((schema for schema in path if inspector.has_table(Account.__tablename__, schema)), path[0])
    present = set(inspector.get_table_names(home))
    faults = [f"table {name} is missing" for name in sorted(Base.metadata.tables.keys() - present)]
    references = [Reference(*row) for row in connection.execute(select_references())]
    faults += _faults_in(inspector, [each for each in references if each.parent_schema == home], home)
    return [*faults, *_unlike(connection), *partition_faults(connection)]


def _unlike(connection: Connection) -> Iterator[str]:
    """Yield each constraint that the law or a deletion relies on and that does not say, word by word, what it must."""
    places: dict[tuple[str, str, bool], dict[str, str]] = defaultdict(dict)
    for row in connection.execute(select_constraints()):
        places[row.table, row.place, row.is_whole][row.name] = row.definition
    for (table, place, is_whole), present in places.items():
        for name, definition in required(Base.metadata.tables[table], place, is_whole=is_whole):
            if name not in present:
                yield f"{place} lacks the constraint {name}, {definition}"
            elif present[name] != definition:
                yield f"{place} has the constraint {name} as {present[name]}, where it must be {definition}"


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
