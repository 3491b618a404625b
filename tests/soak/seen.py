"""What is looked at every few seconds: each process, PostgreSQL's connections, Redis' keys, and who waits."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
from chaos.deployment import Deployment
from redis import Redis, RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Unavailable
from soak.feed import Feed

__all__ = ["QUEUE", "Process", "Sample", "Watch", "lasting", "redis_client"]

QUEUE = "retention:retention"
MEGABYTE = 1_000_000
CONNECTIONS = """
SELECT coalesce(nullif(application_name, ''), 'others'), count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1
"""
OPEN = "SELECT count(*) FROM sweeps WHERE ended_at IS NULL"
COUNT = {"string": "strlen", "list": "llen", "set": "scard", "zset": "zcard", "hash": "hlen"}


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment.

    Attributes:
        role: what it is for.
        life: tells it from any other that had, or will have, its number.
        memory: megabytes that are its, or shared with others.
        files: descriptors open.
        threads: so many.
    """

    role: str
    life: str
    memory: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment.

    Attributes:
        at: seconds since the soak began.
        processes: every one of ours.
        database: connections by application; None where PostgreSQL did not answer.
        redis: keys that last, what they hold, messages that wait or are not acknowledged, megabytes; None likewise.
        waiting: how many are due, for how many seconds the longest, and how many sweeps are open; None likewise.
        fault: what strikes at this moment, if anything.
        processor: seconds that everything has used since the sample before, the servers included.
    """

    at: float
    processes: tuple[Process, ...]
    database: dict[str, int] | None
    redis: dict[str, float] | None
    waiting: dict[str, float] | None
    fault: str | None
    processor: float


class Watch:
    """Takes samples of a deployment.

    Attributes:
        samples: what was seen so far.
        fault: what strikes now; told by who lets it.
    """

    def __init__(self, it: Deployment, feed: Feed, began: float) -> None:
        self._it, self._feed, self._began = it, feed, began
        self.samples: list[Sample] = []
        self.fault: str | None = None
        self._used: dict[int, float] = {}
        self._redis_id: int | None = None

    def tell(self, fault: str | None) -> None:
        """Be told what strikes now."""
        self.fault = fault

    def watch(self) -> None:
        """Take a sample."""
        self.samples.append(self.look())

    def look(self) -> Sample:
        """Look once."""
        return Sample(
            at=round(time.monotonic() - self._began, 1),
            processes=tuple(self._processes()),
            database=self._asked(self._connections),
            redis=self._redis(),
            waiting=self._asked(self._waiting),
            fault=self.fault,
            processor=round(self._processor(), 2),
        )

    def _processes(self) -> Iterator[Process]:
        found = [("beat", each.pid) for each in self._it.beats] + [("web", self._it.web.pid)]
        for worker in self._it.workers:
            found.append(("worker", worker.pid))
            with suppress(psutil.Error):
                found += [("child", child.pid) for child in psutil.Process(worker.pid).children()]
        for role, pid in found:
            # Whoever has just ended was not seen any more.
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                with process.oneshot():
                    yield Process(
                        role,
                        f"{pid} of {process.create_time():.2f}",
                        round(process.memory_info().rss / MEGABYTE, 2),
                        process.num_fds(),
                        process.num_threads(),
                    )

    def _asked(self, question: Any) -> Any:
        try:
            with self._it.engine.connect() as connection:
                connection.execute(text("SET LOCAL statement_timeout = '3s'"))
                return question(connection)
        except (SQLAlchemyError, Unavailable):
            return None

    def _connections(self, connection: Any) -> dict[str, int]:
        return dict(connection.execute(text(CONNECTIONS)).all())

    def _waiting(self, connection: Any) -> dict[str, float]:
        accounts, seconds = self._feed.waiting(connection)
        return {"accounts": accounts, "seconds": round(seconds, 1), "sweeps": connection.scalar(text(OPEN))}

    def _redis(self) -> dict[str, float] | None:
        try:
            with redis_client(self._it) as client:
                keys, told = lasting(client), client.info()
                self._redis_id = told["process_id"]
                return {
                    "keys": len(keys),
                    "members": sum(keys.values()),
                    "queue": client.llen(QUEUE),
                    "unacked": client.hlen("retention:unacked"),
                    "memory": round(told["used_memory"] / MEGABYTE, 3),
                }
        except RedisError:
            return None

    def _processor(self) -> float:
        """Return the seconds that this process, all its descendants and the servers used since the last time."""
        now: dict[int, float] = {}
        for process in self._everything():
            with suppress(psutil.Error):
                times = process.cpu_times()
                now[process.pid] = times.user + times.system
        used = sum(max(0.0, seconds - self._used.get(pid, 0.0)) for pid, seconds in now.items())
        self._used = now
        return used

    def _everything(self) -> Iterator[psutil.Process]:
        for pid in {os.getpid(), *self._servers()}:
            with suppress(psutil.Error):
                yield (root := psutil.Process(pid))
                yield from root.children(recursive=True)

    def _servers(self) -> Iterator[int]:
        if self._redis_id:
            yield self._redis_id
        for found in self._it.servers._var.glob("embedded/**/postmaster.pid"):
            with suppress(OSError, IndexError):  # a server that starts writes it anew
                yield int(found.read_text().split()[0])


def lasting(client: Redis) -> Counter[str]:
    """Return how much each key holds that does not end by itself; without what waits, which comes and goes."""
    held: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        kind = client.type(key).decode()
        if client.ttl(key) == -1 and kind in COUNT:
            held[key.decode()] = 1 if kind == "string" else getattr(client, COUNT[kind])(key)
    return held


def redis_client(it: Deployment) -> Redis:
    """Return a client that does not wait for a Redis that answers nothing."""
    path = it.servers.broker_url.removeprefix("redis+socket://")
    return Redis(unix_socket_path=path, socket_timeout=3)
