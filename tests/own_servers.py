"""Servers of a test's own, which it may kill, stop, empty and start again."""

import signal
from pathlib import Path
from typing import Any

import psutil
import redis
from processes import until

from worker import embedded

__all__ = ["OwnServers", "is_gone"]


class OwnServers:
    """A Redis, and a PostgreSQL if wanted, under a directory of the test's own."""

    def __init__(self, var: Path, *, database: bool) -> None:
        self._var = var
        self._database = database
        self.start()

    def start(self) -> None:
        """Start whichever does not run."""
        started = embedded.ensure(self._var, database=self._database, broker=True)
        self.database_url, self.broker_url = started.database_url, started.broker_url

    def redis(self, **how: Any) -> redis.Redis:
        """A client of the Redis."""
        return redis.Redis(unix_socket_path=self.broker_url.removeprefix("redis+socket://"), **how)

    def kill_redis(self) -> None:
        """Let Redis end without having written anything more."""
        process = self._redis_process()
        process.kill()
        until(lambda: is_gone(process), "Redis is gone")

    def freeze_redis(self) -> None:
        """Let Redis answer nothing more, and no connection to it break."""
        self._frozen = self._redis_process()
        self._frozen.suspend()

    def thaw_redis(self) -> None:
        """Let Redis go on."""
        self._frozen.resume()

    def crash_postgresql(self) -> None:
        """End PostgreSQL at once, as an immediate shutdown does: connections break, the next start recovers."""
        process = self.postgresql()
        process.send_signal(signal.SIGQUIT)
        until(lambda: is_gone(process), "PostgreSQL is gone")

    def postgresql(self) -> psutil.Process:
        """PostgreSQL's first process, of which all its others are children."""
        (found,) = self._var.glob("embedded/**/postmaster.pid")
        return psutil.Process(int(found.read_text().split()[0]))

    def _redis_process(self) -> psutil.Process:
        with self.redis() as client:
            return psutil.Process(client.info()["process_id"])


def is_gone(process: psutil.Process) -> bool:
    """Say whether a process has ended, though its parent may not know yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
