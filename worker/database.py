"""Connecting to the database, and comparing its schema with the one this program knows."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, func, select

from models import migrations
from models.errors import InvalidConfiguration, Refused, Unavailable
from models.migrations import hash_partitions
from tasks.hash_partitions import partitions
from tasks.roles import give_rights
from tasks.statements.purge import owned_tables
from tasks.transaction import named_errors, transaction
from worker.nearest_instant import NearestInstant
from worker.settings import settings

__all__ = ["check_schema", "connect", "head_revision", "migrate", "partition", "schema_revision", "verifier"]

CONNECT_SECONDS = 5


def connect(url: str, *, pooled: bool = True) -> Engine:
    """Return an engine for `url`, which libpq itself reads; it connects when first used.

    Not pooled, it leaves no connection behind that a fork could inherit.
    """

    def open_connection() -> psycopg.Connection:
        try:
            connection = psycopg.connect(
                url,
                connect_timeout=CONNECT_SECONDS,
                application_name="retention",
                keepalives_idle=30,
                client_encoding="utf8",
            )
        except psycopg.OperationalError as error:
            # libpq names host, port, user and database, and never a password.
            raise Unavailable(f"the database did not answer: {' '.join(str(error).split())}") from None
        connection.adapters.register_loader("timestamptz", NearestInstant)
        return connection

    opening: Callable[[], psycopg.Connection] = open_connection
    return create_engine(
        "postgresql+psycopg://",
        creator=opening,
        poolclass=QueuePool if pooled else NullPool,
        # No ping before use: a connection found broken is an outage like any other, which tasks wait out.
        pool_pre_ping=False,
        # The second look under the locks needs a snapshot of its own, whatever the server's default is.
        isolation_level="READ COMMITTED",
        hide_parameters=True,
    )


@cache
def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return config


@cache
def head_revision() -> str:
    """Return the revision of the schema this program is written for."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None  # noqa: S101 - the package holds at least its first migration
    return head


def schema_revision(engine: Engine) -> str | None:
    """Return the revision of the database's schema; None where it was never migrated."""
    with transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def check_schema(engine: Engine) -> None:
    """Make sure that the database's schema is the one this program is written for.

    Raises:
        InvalidConfiguration: it is older, newer or missing.
        Unavailable: the database did not answer.
    """
    revision, head = schema_revision(engine), head_revision()
    if revision == head:
        return
    if revision is None:
        raise InvalidConfiguration("the database has no schema yet; run `retention migrate`")
    if _is_known(revision):
        raise InvalidConfiguration(
            f"the database's schema is at {revision}, this program needs {head}; run `retention migrate`"
        )
    raise InvalidConfiguration(
        f"the database's schema is at {revision}, which this program (at {head}) does not know: "
        "it was migrated by a newer one; upgrade this program"
    )


def migrate(engine: Engine, *, to: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to head, or to an earlier revision on the way; returns the revisions before and after.

    Raises:
        InvalidConfiguration: the database was migrated by a newer program, is not in UTF-8, or holds rows that do
            not fit the schema to come.
        Unavailable: the database did not answer.
    """
    before = schema_revision(engine)
    if before is not None and not _is_known(before):
        check_schema(engine)
    _check_encoding(engine)
    with named_errors(), engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        config.attributes["timezone"] = settings().timezone
        command.upgrade(config, to)
        give_rights(connection)  # a new table has nobody who may use it
    return before, schema_revision(engine)


def partition(engine: Engine, number: int) -> bool:
    """Turn accounts, and all that is theirs, into so many partitions by the hash of the account; all of it or nothing.

    Locks them until that is done. Returns whether anything was changed.

    Raises:
        Refused: they are partitioned already, into another number.
        InvalidConfiguration: something is in the way, or this role does not own the tables.
        Unavailable: the database did not answer, or somebody has a table for longer than one waits.
    """
    with named_errors(), engine.begin() as connection:
        present = partitions(connection)
        if present == number:
            return False
        if present:
            raise Refused(
                f"accounts are in {present} partitions, and their number cannot be changed in place: "
                f"migrate an empty database with --partitions {number} and copy the rows into it"
            )
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        hash_partitions.partition(connection, [table.name for table in reversed(owned_tables())], number)
        give_rights(connection)
    return True


def verifier(connection: Connection, role: str, password: str) -> str:
    """Return what the server keeps in place of a password, made here: the password itself never leaves this process."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - `connect` makes no other
    return driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def _check_encoding(engine: Engine) -> None:
    """Make sure that addresses can be compared as Unicode compares them."""
    with transaction(engine) as connection:
        encoding = connection.scalar(select(func.current_setting("server_encoding")))
    if encoding != "UTF8":
        raise InvalidConfiguration(
            f"the database is encoded in {encoding}; create it with ENCODING 'UTF8', in which addresses can be compared"
        )


def _is_known(revision: str) -> bool:
    return revision in {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
