"""Making the database's roles: workers that cannot change the log, web servers and readers that see nobody's address.

Rights are held by a group of each database for each kind, as `<database>_workers`. Who logs in is a member; there may
be several, as while a password is changed. Whoever owns the tables migrates, and gives the groups their rights after
each migration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, inspect, select

from models import Base, Receipt
from models.account_addresses import KEEP_ADDRESS
from models.errors import InvalidConfiguration
from models.partitions import MAKE_PARTITION, PREPARE_LOG
from tasks.statements.hash_partitions import select_leaves
from tasks.statements.partitions import is_function, select_partitions
from tasks.statements.rights import VERSION_TABLE, Kind, rights_on, sequences
from tasks.statements.roles import Statement, select_holder, select_role

__all__ = ["Login", "add_member", "give_rights", "groups_of", "hand_over", "is_there"]

# What a role must not be that logs in every day.
MIGHTY = {
    "rolsuper": "a superuser",
    "rolcreaterole": "a maker of roles",
    "rolcreatedb": "a maker of databases",
    "rolreplication": "a replica",
    "rolbypassrls": "above row security",
}
LONGEST_NAME_BYTES = 63
RESERVED_PREFIX, RESERVED = "pg_", ("none", "public")


@dataclass(frozen=True, slots=True)
class Login:
    """A role that logs in.

    Attributes:
        name: of the role.
        verifier: what the server keeps in place of its password; None leaves the password as it is.
    """

    name: str
    verifier: str | None


def groups_of(connection: Connection) -> dict[Kind, str]:
    """Return the names of this database's groups, which hold rights and cannot log in, whether they are there or not.

    Of a database with a very long name there can be none: theirs would be too long.
    """
    database: str = connection.execute(select(func.current_database())).scalar_one()
    return {kind: f"{database}_{kind}s" for kind in Kind}


def is_there(connection: Connection, role: str) -> bool:
    """Say whether there is a role of that name."""
    return connection.execute(select_role(role)).first() is not None


def add_member(connection: Connection, login: Login, group: str) -> list[str]:
    """Make a group and a member of it that can log in, as far as they are missing; returns what was done.

    Raises:
        InvalidConfiguration: the member may too much by itself, or we may not make roles, or the database's name is
            too long to be part of the group's.
    """
    if len(group.encode()) > LONGEST_NAME_BYTES:
        raise InvalidConfiguration(f"the name of this database is too long for a role that is named after it: {group}")
    done = []
    if not is_there(connection, group):
        connection.execute(Statement("CREATE ROLE {group} NOLOGIN", group=group))
        done.append(f"made group {group}")
    done += _make(connection, login, group)
    owner = connection.execute(select_holder(Receipt.__tablename__)).first()
    if owner is not None and owner[0] == login.name:
        raise InvalidConfiguration(f"role {login.name} owns the tables, and so may change the log; choose another name")
    connection.execute(Statement("GRANT {group} TO {member}", group=group, member=login.name))
    return [*done, f"{login.name} is a member of {group}"]


def hand_over(connection: Connection, login: Login) -> list[str]:
    """Make a role the owner of this database, its schema and our tables; returns what was done.

    Raises:
        InvalidConfiguration: we may not do that.
    """
    done = _make(connection, login, "owners")
    myself: Row[Any] = connection.execute(select_role()).one()
    if not myself.rolsuper and myself.rolname != login.name:
        # Nobody but a superuser gives away what he could not take back.
        connection.execute(Statement("GRANT {owner} TO {me}", owner=login.name, me=myself.rolname))
    database: str = connection.execute(select(func.current_database())).scalar_one()
    connection.execute(Statement("ALTER DATABASE {database} OWNER TO {owner}", database=database, owner=login.name))
    for kind, name in _things(connection):
        connection.execute(Statement(f"ALTER {kind} {{name}} OWNER TO {{owner}}", name=name, owner=login.name))
    return [*done, f"{login.name} owns database {database} and all tables of the worker in it"]


def give_rights(connection: Connection) -> list[str]:
    """Give the groups of this database exactly their rights on all tables and columns there are; returns what was done.

    Does nothing for a group that nobody has made. Only whoever owns the tables may do it.
    """
    groups = groups_of(connection)
    present = set(inspect(connection).get_table_names())
    schema: str = connection.execute(select(func.current_schema())).scalar_one()
    done = []
    for kind, group in groups.items():
        if not is_there(connection, group):
            continue
        connection.execute(Statement("GRANT USAGE ON SCHEMA {schema} TO {group}", schema=schema, group=group))
        for name in sorted(present & {*Base.metadata.tables, VERSION_TABLE}):
            connection.execute(Statement("REVOKE ALL ON TABLE {name} FROM {group}", name=name, group=group))
            columns = {each["name"] for each in inspect(connection).get_columns(name)}
            for statement in _grants(name, kind, group, columns):
                connection.execute(statement)
        # Whoever may read or add to the log does so by its whole.
        for name in connection.scalars(select_partitions()).all():
            connection.execute(Statement("REVOKE ALL ON TABLE {name} FROM {group}", name=name, group=group))
        done.append(f"{group} has its rights on {len(present & Base.metadata.tables.keys())} tables")
    workers = groups[Kind.WORKER]
    if is_there(connection, workers):
        for name in sorted({*sequences()} & {*inspect(connection).get_sequence_names()}):
            connection.execute(Statement("GRANT USAGE ON SEQUENCE {name} TO {group}", name=name, group=workers))
        if connection.scalar(is_function(PREPARE_LOG)):
            prepare = Statement("GRANT EXECUTE ON FUNCTION {name}() TO {group}", name=PREPARE_LOG, group=workers)
            connection.execute(prepare)
    return done


def _make(connection: Connection, login: Login, purpose: str) -> list[str]:
    if len(login.name.encode()) > LONGEST_NAME_BYTES:
        raise InvalidConfiguration(f"{login.name} is too long for the name of a role")
    if login.name.startswith(RESERVED_PREFIX) or login.name in RESERVED:
        raise InvalidConfiguration(f"{login.name} is a name that PostgreSQL keeps for itself; choose another")
    role = connection.execute(select_role(login.name)).mappings().first()
    if role is None:
        if login.verifier is None:
            raise InvalidConfiguration(f"role {login.name} is not there yet and needs a password")
        connection.execute(Statement("CREATE ROLE {name} LOGIN", name=login.name))
    elif mighty := [what for flag, what in MIGHTY.items() if role[flag]]:
        raise InvalidConfiguration(f"role {login.name} is {' and '.join(mighty)}: choose another name for {purpose}")
    if login.verifier is not None:
        connection.execute(
            Statement(
                "ALTER ROLE {name} LOGIN PASSWORD {verifier}", name=login.name, literals={"verifier": login.verifier}
            )
        )
    told = "made role" if role is None else "role is there already:"
    password = "its password is set" if login.verifier is not None else "its password stays"
    return [f"{told} {login.name}, {password}"]


def _grants(name: str, kind: Kind, group: str, present: set[str]) -> Iterator[Statement]:
    for right, columns in rights_on(name, kind).items():
        if columns is None:
            yield Statement(f"GRANT {right} ON TABLE {{name}} TO {{group}}", name=name, group=group)
        elif known := [each for each in columns if each in present]:
            template = f"GRANT {right} ({{columns}}) ON TABLE {{name}} TO {{group}}"
            yield Statement(template, columns=known, name=name, group=group)


def _things(connection: Connection) -> Iterator[tuple[str, str]]:
    """Return what belongs to the owner, as ALTER names it: tables; sequences of their numbers go with them."""
    present = set(inspect(connection).get_table_names())
    for name in sorted(present & {*Base.metadata.tables, VERSION_TABLE}):
        yield "TABLE", name
    for parts in (select_partitions(), select_leaves()):
        yield from (("TABLE", name) for name in connection.scalars(parts).all())
    if present & Base.metadata.tables.keys():
        yield "SEQUENCE", "guesses"
        yield "FUNCTION", "refuse_change"
        yield "FUNCTION", "refuse_reopening"
    for name in (PREPARE_LOG, MAKE_PARTITION, KEEP_ADDRESS):
        if connection.scalar(is_function(name)):
            yield "FUNCTION", name
