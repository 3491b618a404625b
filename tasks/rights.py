"""What the role that we are may do: what it lacks for its kind, and what none of its kind should."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Inspector, func, inspect, select

from models import Base, Receipt
from models.account_addresses import ADDRESSES
from models.partitions import PREPARE_LOG
from tasks.roles import MIGHTY, groups_of, is_there
from tasks.statements.partitions import is_function, select_partitions
from tasks.statements.rights import VERSION_TABLE, Kind, rights_on, sequences
from tasks.statements.roles import select_holder, select_role

__all__ = ["Standing", "examine", "kind_of"]

TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
BY_COLUMN = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
# Members of these may do things that no table's rights speak of.
PREDEFINED = ("pg_write_all_data", "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the role stands that we are.

    Attributes:
        role: its name.
        owns: whether it could change the log, as owner, as its member, or as a superuser.
        separated: whether this database has a group for workers, so that owner and worker are told apart.
        workers: name of that group.
        kind: what it is by its group; a worker where it is in none.
        lacking: rights that its kind needs and it has not.
        excess: what it may do and none of its kind needs.
    """

    role: str
    owns: bool
    separated: bool
    workers: str
    kind: Kind
    lacking: tuple[str, ...]
    excess: tuple[str, ...]


def examine(connection: Connection) -> Standing:
    """Ask the database what the role that we are may do."""
    myself = connection.execute(select_role()).mappings().one()
    groups = groups_of(connection)
    holder = connection.execute(select_holder(Receipt.__tablename__)).first()
    kind, schema = kind_of(connection), inspect(connection)
    return Standing(
        role=myself["rolname"],
        owns=bool(myself["rolsuper"] or (holder and holder[1])),
        separated=is_there(connection, groups[Kind.WORKER]),
        workers=groups[Kind.WORKER],
        kind=kind,
        lacking=tuple(_lacking(connection, kind, schema)),
        excess=(*(what for flag, what in MIGHTY.items() if myself[flag]), *_excess(connection, kind, schema)),
    )


def kind_of(connection: Connection) -> Kind:
    """Return what the role that we are is by its group: of several the one that may most, and a worker without any."""
    if connection.execute(select_role()).mappings().one()["rolsuper"]:
        return Kind.WORKER
    for kind, group in groups_of(connection).items():
        if is_there(connection, group) and connection.scalar(select(func.pg_has_role(group, "USAGE"))):
            return kind
    return Kind.WORKER


def _lacking(connection: Connection, kind: Kind, schema: Inspector) -> Iterator[str]:
    asked: dict[str, ColumnElement[bool]] = {}
    for name in sorted({*schema.get_table_names()} & {*Base.metadata.tables, VERSION_TABLE}):
        for right, columns in rights_on(name, kind).items():
            if columns is None:
                asked[f"{right} on {name}"] = func.has_table_privilege(name, right)
            else:
                asked |= _by_column(right, name, _columns(schema, name) & {*columns})
    if kind is Kind.WORKER:
        asked |= _beside_tables(connection, schema)
    yield from (right for right, has in _answers(connection, asked) if not has)


def _excess(connection: Connection, kind: Kind, schema: Inspector) -> Iterator[str]:
    # First what is worst, for of many only some are told.
    asked: dict[str, ColumnElement[bool]] = {
        f"all that {group} may": func.pg_has_role(group, "MEMBER") for group in PREDEFINED
    }
    # By this one setting every trigger is off, also the one that keeps the log from being changed.
    asked["SET session_replication_role"] = func.has_parameter_privilege("session_replication_role", "SET")
    asked["CREATE in the schema"] = func.has_schema_privilege(func.current_schema(), "CREATE")
    present = {*schema.get_table_names()}
    needed = {name: rights_on(name, kind) for name in sorted(present & Base.metadata.tables.keys())}
    # The log is read and added to by its whole.
    needed |= {name: {} for name in connection.scalars(select_partitions())}
    # The trigger that keeps the addresses is its owner's.
    needed |= {name: {} for name in present & {ADDRESSES}}
    for name, rights in needed.items():
        for right in sorted({*TABLE_RIGHTS} - {*rights}):
            has = func.has_any_column_privilege if right in BY_COLUMN else func.has_table_privilege
            asked[f"{right} on {name}"] = has(name, right)
        for right, columns in rights.items():
            if columns is not None:
                asked |= _by_column(right, name, _columns(schema, name) - {*columns})
    if kind is not Kind.WORKER:
        asked |= _beside_tables(connection, schema)
    yield from (right for right, has in _answers(connection, asked) if has)


def _beside_tables(connection: Connection, schema: Inspector) -> dict[str, ColumnElement[bool]]:
    """Return how to ask for the rights that a worker has on what is no table."""
    asked: dict[str, ColumnElement[bool]] = {
        f"USAGE on {name}": func.has_sequence_privilege(name, "USAGE")
        for name in sorted({*sequences()} & {*schema.get_sequence_names()})
    }
    if connection.scalar(is_function(PREPARE_LOG)):
        asked[f"EXECUTE on {PREPARE_LOG}"] = func.has_function_privilege(f"{PREPARE_LOG}()", "EXECUTE")
    return asked


def _by_column(right: str, table: str, columns: set[str]) -> dict[str, ColumnElement[bool]]:
    return {
        f"{right} on {table}.{column}": func.has_column_privilege(table, column, right) for column in sorted(columns)
    }


def _columns(schema: Inspector, table: str) -> set[str]:
    """Return the columns that a table has: it may be an older version's, and others may have added to it."""
    return {each["name"] for each in schema.get_columns(table)}


def _answers(connection: Connection, asked: dict[str, ColumnElement[bool]]) -> list[tuple[str, bool]]:
    if not asked:
        return []
    found = connection.execute(select(*asked.values())).one()
    return list(zip(asked, found, strict=True))
