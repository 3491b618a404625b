"""What strikes PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import psycopg

from chaos.faults.fault import NotStruckError, fault, struck
from chaos.gate import Point

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS"]

# What a batch's statement may take is ten seconds.
TOO_LONG_SECONDS = 11
SMALLEST_FILE = 2**16
# Where no batch need follow.
AFTER_BATCHES = (Point.END, Point.ERASED)


@fault()
def postgresql_crashed(it: "Deployment") -> Iterator[None]:
    """PostgreSQL ends at once, as by an immediate shutdown, and recovers when it is started again."""
    it.servers.crash_postgresql()
    yield
    it.servers.start()


@fault()
def postgresql_restarted(it: "Deployment") -> Iterator[None]:
    """PostgreSQL is shut down in order, which ends every session, and started again."""
    it.servers.shut_postgresql_down()
    yield
    it.servers.start()


@fault()
def disk_full(it: "Deployment") -> Iterator[None]:
    """No file of PostgreSQL's grows beyond the place where its write-ahead log is now.

    Its processes get a limit to a file's size (RLIMIT_FSIZE), which every child inherits; a write beyond it fails with
    EFBIG as one to a full disk does with ENOSPC. The next commit cannot be written down, so PostgreSQL panics, begins
    to recover, cannot write either, and panics again, until there is room; or it ends, and is started again then.
    """
    place = it.scalar("SELECT file_offset FROM pg_walfile_name_offset(pg_current_wal_lsn())")
    it.servers.limit_postgresql_files(str(max(place, SMALLEST_FILE)))
    try:
        yield
        struck(lambda: not it.servers.is_postgresql_ready(), "PostgreSQL cannot go on", 30)
    finally:
        it.servers.limit_postgresql_files("unlimited")
        it.servers.recover_postgresql()


@fault(not_at=AFTER_BATCHES)
def no_room_for_rows(it: "Deployment") -> Iterator[None]:
    """PostgreSQL says 53100, as it does where a table's file cannot grow, of each row for the log of actions."""
    no_room = "RAISE EXCEPTION 'could not extend file: no space left' USING ERRCODE = 'disk_full'"
    with _actions_do(it, no_room), it.servers.postgresql_says("could not extend file"):
        yield


@fault()
def sessions_ended(it: "Deployment") -> Iterator[None]:
    """An administrator ends every session."""
    _end_sessions(it)
    yield


@fault()
def connections_cut(it: "Deployment") -> Iterator[None]:
    """Every connection between workers and PostgreSQL breaks, and neither is told."""
    if not it.gate.cut():
        raise NotStruckError("there was no connection")
    yield


@fault()
def out_of_connections(it: "Deployment") -> Iterator[None]:
    """Every session is ended, and others take all there are."""
    taken: list[psycopg.Connection] = []
    _end_sessions(it)
    try:
        with suppress(psycopg.OperationalError):  # that is the end of them
            while True:
                taken.append(psycopg.connect(it.servers.database_url))
        yield
    finally:
        for each in taken:
            each.close()


@fault()
def read_only(it: "Deployment") -> Iterator[None]:
    """The database takes no changes, as one that was just made a replica."""
    it.administrator(f"ALTER DATABASE {it.database} SET default_transaction_read_only = on")
    try:
        _end_sessions(it)
        with psycopg.connect(it.database_url) as somebody, suppress(psycopg.errors.ReadOnlySqlTransaction):
            somebody.execute("DELETE FROM heartbeats WHERE false")
            raise NotStruckError("the database has taken a change")
        yield
    finally:
        it.administrator(f"ALTER DATABASE {it.database} RESET default_transaction_read_only")
        # A session keeps what it began with.
        _end_sessions(it)


@fault(not_at=AFTER_BATCHES)
def table_locked(it: "Deployment") -> Iterator[None]:
    """Somebody locks accounts and log until one of ours has waited for a lock as long as it does, five seconds."""
    with psycopg.connect(it.database_url) as somebody, it.servers.postgresql_says("due to lock timeout"):
        locking = Thread(target=_try, args=(somebody, "LOCK TABLE accounts, chain_heads IN ACCESS EXCLUSIVE MODE"))
        locking.start()
        try:
            yield
        finally:
            locking.join()


@fault(not_at=AFTER_BATCHES)
def statement_too_long(it: "Deployment") -> Iterator[None]:
    """Each statement of a batch that adds to the log takes longer than it may, until one was ended for that."""
    long = f"PERFORM pg_sleep({TOO_LONG_SECONDS})"
    with _actions_do(it, long), it.servers.postgresql_says("due to statement timeout"):
        yield


@fault(not_at=AFTER_BATCHES)
def deadlocked(it: "Deployment") -> Iterator[None]:
    """Somebody takes the chain's head, and wants the accounts of a batch as soon as that wants the head."""
    over = Event()
    with psycopg.connect(it.database_url) as somebody:
        wanting = Thread(target=_want_both, args=(it, somebody, over))
        try:
            with it.servers.postgresql_says("deadlock detected"):
                wanting.start()
                yield
        finally:
            over.set()
            somebody.cancel_safe()
            wanting.join()
            somebody.rollback()


FAULTS = (
    postgresql_crashed,
    postgresql_restarted,
    disk_full,
    no_room_for_rows,
    sessions_ended,
    connections_cut,
    out_of_connections,
    read_only,
    table_locked,
    statement_too_long,
    deadlocked,
)


@contextmanager
def _actions_do(it: "Deployment", what: str) -> Iterator[None]:
    """Let something happen before each statement that adds to the log of actions."""
    it.before_actions(what)
    try:
        yield
    finally:
        it.before_actions("")


def _end_sessions(it: "Deployment") -> None:
    ended = it.administrator(
        f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{it.database}'"
    )
    if not ended:
        raise NotStruckError("there was no session")


def _want_both(it: "Deployment", somebody: psycopg.Connection, over: Event) -> None:
    _try(somebody, "SELECT FROM chain_heads FOR UPDATE")
    waits = f"SELECT count(*) FROM pg_stat_activity WHERE {somebody.info.backend_pid} = ANY(pg_blocking_pids(pid))"
    while not it.scalar(waits):
        if over.wait(0.02):
            return
    _try(somebody, "SELECT FROM accounts FOR UPDATE")


def _try(connection: psycopg.Connection, statement: str) -> None:
    """Say something to PostgreSQL that may well be refused, or broken off."""
    with suppress(psycopg.Error):
        connection.execute(statement)
