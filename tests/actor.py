"""Somebody with a database connection of their own, whom a test stops at a critical point and lets go on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from processes import until
from sqlalchemy import Engine, event, text

from worker.database import connect

__all__ = ["Actor"]

PATIENCE_SECONDS = 60


class Actor:
    """Does one thing on a connection of its own, in a thread.

    With `stops`, it stops before it commits the transaction in which it has locked an account. `first` is a
    statement for its connection to begin with.
    """

    def __init__(self, url: str, act: Callable[[Engine], Any], *, stops: bool = False, first: str = "") -> None:
        self.engine = connect(url)
        if first:
            event.listen(self.engine, "connect", lambda connection, _: connection.execute(first))
        self._process_id = 0
        self._has_locked = False
        self._stopped, self._may_go_on = Event(), Event()
        event.listen(self.engine, "after_cursor_execute", self._look)
        if stops:
            event.listen(self.engine, "commit", self._stop)
        self._thread = ThreadPoolExecutor(1)
        self._doing = self._thread.submit(act, self.engine)

    def _look(self, connection, cursor, statement, *_: object) -> None:
        self._process_id = cursor.connection.info.backend_pid
        locks = "FOR UPDATE" in statement or statement.startswith("INSERT INTO holds")
        self._has_locked = locks or self._has_locked

    def _stop(self, _: object) -> None:
        if self._has_locked:
            self._stopped.set()
            assert self._may_go_on.wait(PATIENCE_SECONDS)

    def is_stopped(self) -> "Actor":
        """Wait until it has done all but the commit."""
        until(lambda: self._stopped.is_set() or self._doing.done(), "stopped before its commit")
        assert self._stopped.is_set(), self._doing.exception() or "it ended without a lock"
        return self

    def is_waiting(self, engine: Engine) -> "Actor":
        """Wait until the database says that it waits for a lock."""
        waiting = text("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = :pid")

        def asked() -> Any:
            assert not self._doing.done(), self._doing.exception() or "it waited for nobody"
            with engine.connect() as connection:
                return connection.scalar(waiting, {"pid": self._process_id})

        until(asked, "it waits for a lock")
        return self

    def is_killed(self, engine: Engine) -> None:
        """End its connection, as if its process had died."""
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": self._process_id})

    def outcome(self) -> Any:
        """Let it go on to its end; returns what it returned, or the error it raised."""
        self._may_go_on.set()
        error = self._doing.exception(PATIENCE_SECONDS)
        self._thread.shutdown()
        self.engine.dispose()
        return error or self._doing.result()
