"""What the role that we are may do: what it lacks for the worker, and what no worker should."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, inspect, select

from models import Base, Receipt
from models.account_addresses import ADDRESSES
from models.partitions import PREPARE_LOG
from tasks.roles import MIGHTY, groups_of, is_there
from tasks.statements.partitions import is_function, select_partitions
from tasks.statements.rights import VERSION_TABLE, sequences, worker_rights
from tasks.statements.roles import select_holder, select_role

__all__ = ["Standing", "examine"]

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
        reads: whether it is a reader.
        lacking: rights that the worker needs and it has not.
        excess: what it may do and no worker needs.
    """

    role: str
    owns: bool
    separated: bool
    workers: str
    reads: bool
    lacking: tuple[str, ...]
    excess: tuple[str, ...]


def examine(connection: Connection) -> Standing:
    """Ask the database what the role that we are may do."""
    myself = connection.execute(select_role()).mappings().one()
    groups = groups_of(connection)
    holder = connection.execute(select_holder(Receipt.__tablename__)).first()
    reads = is_there(connection, groups.readers) and not myself["rolsuper"]
    return Standing(
        role=myself["rolname"],
        owns=bool(myself["rolsuper"] or (holder and holder[1])),
        separated=is_there(connection, groups.workers),
        workers=groups.workers,
        reads=reads and _is(connection, func.pg_has_role(groups.readers, "USAGE")),
        lacking=tuple(_lacking(connection)),
        excess=(*(what for flag, what in MIGHTY.items() if myself[flag]), *_excess(connection)),
    )


def _lacking(connection: Connection) -> Iterator[str]:
    asked: dict[str, ColumnElement[bool]] = {}
    present = set(inspect(connection).get_table_names())
    for name in sorted(present & Base.metadata.tables.keys()):
        for right in worker_rights(Base.metadata.tables[name]):
            asked[f"{right} on {name}"] = func.has_table_privilege(name, right)
    if VERSION_TABLE in present:
        asked[f"SELECT on {VERSION_TABLE}"] = func.has_table_privilege(VERSION_TABLE, "SELECT")
    for name in sorted({*sequences()} & {*inspect(connection).get_sequence_names()}):
        asked[f"USAGE on {name}"] = func.has_sequence_privilege(name, "USAGE")
    if connection.scalar(is_function(PREPARE_LOG)):
        asked[f"EXECUTE on {PREPARE_LOG}"] = func.has_function_privilege(f"{PREPARE_LOG}()", "EXECUTE")
    yield from (right for right, has in _answers(connection, asked) if not has)


def _excess(connection: Connection) -> Iterator[str]:
    # First what is worst, for of many only some are told.
    asked: dict[str, ColumnElement[bool]] = {
        f"all that {group} may": func.pg_has_role(group, "MEMBER") for group in PREDEFINED
    }
    # By this one setting every trigger is off, also the one that keeps the log from being changed.
    asked["SET session_replication_role"] = func.has_parameter_privilege("session_replication_role", "SET")
    asked["CREATE in the schema"] = func.has_schema_privilege(func.current_schema(), "CREATE")
    present = sorted(set(inspect(connection).get_table_names()) & Base.metadata.tables.keys())
    needed = {name: worker_rights(Base.metadata.tables[name]) for name in present}
    # The log is read and added to by its whole.
    needed |= dict.fromkeys(connection.scalars(select_partitions()), ())
    # The trigger that keeps the addresses is its owner's.
    needed |= {name: () for name in inspect(connection).get_table_names() if name == ADDRESSES}
    for name, rights in needed.items():
        for right in sorted({*TABLE_RIGHTS} - {*rights}):
            has = func.has_any_column_privilege if right in BY_COLUMN else func.has_table_privilege
            asked[f"{right} on {name}"] = has(name, right)
    yield from (right for right, has in _answers(connection, asked) if has)


def _answers(connection: Connection, asked: dict[str, ColumnElement[bool]]) -> list[tuple[str, bool]]:
    if not asked:
        return []
    found = connection.execute(select(*asked.values())).one()
    return list(zip(asked, found, strict=True))


def _is(connection: Connection, question: ColumnElement[bool]) -> bool:
    return bool(connection.scalar(select(question)))
