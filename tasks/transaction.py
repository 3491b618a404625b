"""One transaction with bounded patience, whose errors name no data."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Engine, Text, bindparam, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from models.errors import (
    InvalidConfiguration,
    OutcomeUnknownError,
    RetentionError,
    StatementError,
    TooLongError,
    Unavailable,
)

__all__ = ["named_errors", "transaction"]

LOCK_PATIENCE = timedelta(seconds=5)
STATEMENT_PATIENCE = timedelta(seconds=40)
CLIENT_CHECK_SECONDS = 1

# Settings of the transaction, not of the connection: they also hold behind a connection pooler. One at work takes one
# core: what is counted in half the time by two is time in which an application has none.
SETTINGS = select(
    func.set_config("TimeZone", "UTC", True),
    func.set_config("lock_timeout", bindparam("lock", type_=Text), True),
    func.set_config("statement_timeout", bindparam("statement", type_=Text), True),
    func.set_config("idle_in_transaction_session_timeout", bindparam("statement", type_=Text), True),
    # What a killed worker was doing ends with it, and with that its locks.
    func.set_config("client_connection_check_interval", f"{CLIENT_CHECK_SECONDS}s", True),
    func.set_config("max_parallel_workers_per_gather", "0", True),
)

# Classes of SQLSTATE after which the same work may succeed: connection, rollback, resources, operator, system;
# 55P03 is a lock that was not to be had, 25006 a server that is read-only for now.
TRANSIENT = ("08", "40", "53", "57", "58", "25006")
# Those which leave open whether a commit was carried out, as silence does: connection, statement completion, shutdown.
OPEN = ("08", "40003", "57P")


@contextmanager
def transaction(
    engine: Engine, *, lock: timedelta = LOCK_PATIENCE, statement: timedelta = STATEMENT_PATIENCE
) -> Iterator[Connection]:
    """Open a transaction that commits when the block ends and rolls back when it raises.

    Args:
        engine: where to connect.
        lock: longest wait for one lock.
        statement: longest run of one statement.

    Raises:
        Unavailable: the database did not answer or asked to try again; nothing was changed.
        OutcomeUnknownError: the connection broke during the commit itself, so only looking can tell.
        TooLongError: a statement took longer than `statement`; nothing was changed.
        InvalidConfiguration: the database role may not do this.
        StatementError: the database refused a statement.
    """
    committing = False
    try:
        with engine.begin() as connection:
            connection.execute(SETTINGS, {"lock": _milliseconds(lock), "statement": _milliseconds(statement)})
            yield connection
            committing = True
    except DBAPIError as error:
        if committing and _was_lost(error):
            raise OutcomeUnknownError(
                "the connection broke during the commit: whether it was done is not known; look before you repeat it"
            ) from None
        raise _named(error) from None


@contextmanager
def named_errors() -> Iterator[None]:
    """Replace the driver's errors, which quote data, by ours, which name codes and objects."""
    try:
        yield
    except DBAPIError as error:
        raise _named(error) from None


def _was_lost(error: DBAPIError) -> bool:
    """Whether nobody said what became of a commit; any other answer is the server's refusal, and it was undone."""
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(OPEN)


def _named(error: DBAPIError) -> RetentionError:
    state = getattr(error.orig, "sqlstate", None)
    diagnosis = getattr(error.orig, "diag", None)
    lost = state is None and isinstance(error, OperationalError | InterfaceError)
    if state == "55P03":
        return Unavailable(f"somebody else has it for longer than one waits (SQLSTATE {state}); nothing was changed")
    if state == "57014":
        return TooLongError(
            f"a statement took longer than it may, or was cancelled (SQLSTATE {state}); nothing was changed"
        )
    if error.connection_invalidated or lost or (state or "").startswith(TRANSIENT):
        code = f" (SQLSTATE {state})" if state else ""
        return Unavailable(f"the database did not answer or asked to try again{code}; nothing was changed")
    if state == "42501":
        denied = getattr(diagnosis, "message_primary", None)  # names tables and roles, and never a value
        return InvalidConfiguration(
            f"the database refused a right ({denied}): `retention doctor` says what this role lacks; "
            "`migrate` and `seed` are the owner's"
        )
    objects = [
        f"{kind} {name}"
        for kind in ("table", "column", "constraint")
        if (name := getattr(diagnosis, f"{kind}_name", None))
    ]
    where = f" at {', '.join(objects)}" if objects else ""
    code = f"SQLSTATE {state}" if state else type(error.orig).__name__
    return StatementError(f"the database refused a statement with {code}{where}")


def _milliseconds(patience: timedelta) -> str:
    return str(round(patience.total_seconds() * 1000))
