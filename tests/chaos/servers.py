"""The servers of a campaign: they may be ended, filled, and their clocks be stepped, and say what happened to them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
from administration import Administration
from own_servers import OwnServers, is_gone
from processes import until

from chaos import faketime
from chaos.faults.fault import struck
from worker import embedded
from worker.embedded.postgresql import _as_nobody

__all__ = ["Servers"]

RECOVERY_SECONDS = 10


class Servers(OwnServers):
    """A PostgreSQL and a Redis; with `clock`, a file, PostgreSQL has the clock that this says."""

    def __init__(self, var: Path, *, clock: Path | None = None) -> None:
        self._clock = clock
        if clock is not None:
            faketime.step(clock, timedelta())
        super().__init__(var, database=True)
        # What a killed process has written is there; only a power cut would lose it, which is none of the faults.
        with Administration(self.database_url) as administration:
            administration("ALTER SYSTEM SET fsync = off")
            administration("SELECT pg_reload_conf()")

    def start(self) -> None:
        # Redis without the other clock: the two are to disagree.
        self.broker_url = embedded.ensure(self._var, database=False, broker=True).broker_url
        with faketime.clock_of(self._clock) if self._clock else nullcontext():
            self.database_url = embedded.ensure(self._var, database=True, broker=False).database_url

    def shut_redis_down(self) -> None:
        """Let Redis write down what it has, and end."""
        process = self._redis_process()
        with self.redis() as client:
            client.shutdown()
        until(lambda: is_gone(process), "Redis has ended")

    def shut_postgresql_down(self) -> None:
        """End every session, write down what there is, and end, as a fast shutdown does."""
        process = self.postgresql()
        process.send_signal(signal.SIGINT)
        until(lambda: is_gone(process), "PostgreSQL has ended")

    def limit_postgresql_files(self, most_bytes: str) -> None:
        """Let no process of PostgreSQL's make a file larger than that; the first one's children inherit it."""
        try:
            server = self.postgresql()
            _limit(server.pid, most_bytes)  # first, so that a child that it makes meanwhile has it
            for child in server.children():
                _limit(child.pid, most_bytes)
        except (ValueError, psutil.NoSuchProcess):  # it has ended, and its limit with it
            return

    def recover_postgresql(self) -> None:
        """Let PostgreSQL recover; one that is still at it after some seconds is ended first, as an operator would.

        Whose checkpointer has ended while it recovered may wait for it for five minutes.
        """
        try:
            until(self.is_postgresql_ready, "PostgreSQL has recovered by itself", RECOVERY_SECONDS)
        except AssertionError:
            with suppress(ValueError, psutil.NoSuchProcess):  # it has ended by itself
                self.crash_postgresql()
            self.start()
            until(self.is_postgresql_ready, "PostgreSQL has recovered")

    def is_postgresql_ready(self) -> bool:
        """Say whether PostgreSQL takes a session."""
        try:
            psycopg.connect(self.database_url).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def postgresql_says(self, words: str) -> Iterator[None]:
        """Make sure that PostgreSQL has come to say something, in its own log, when the block ends."""
        log = self._var / "embedded" / "postgresql.log"
        before = log.stat().st_size
        yield
        struck(lambda: words.encode() in log.read_bytes()[before:], f"PostgreSQL says: {words}", 30)

    def step_clock(self, by: timedelta) -> None:
        """Let PostgreSQL's clock be off by so much from now on."""
        assert self._clock is not None
        faketime.step(self._clock, by)
        until(lambda: self._is_off(by), f"PostgreSQL's clock is off by {by}")

    def _is_off(self, by: timedelta) -> bool:
        with psycopg.connect(self.database_url) as somebody:
            (off,) = somebody.execute("SELECT clock_timestamp() - %s", (faketime.now(),)).fetchone() or ()
        return abs(off - by) < timedelta(minutes=1)


def _limit(pid: int, most_bytes: str) -> None:
    """Set the limit as the process's own user, as root in a container may not; one that has just ended needs none."""
    prefix = _as_nobody() if os.geteuid() == 0 else []
    command = [*prefix, "prlimit", f"--pid={pid}", f"--fsize={most_bytes}:"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or _has_ended(pid), done.stderr


def _has_ended(pid: int) -> bool:
    try:
        return is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True
