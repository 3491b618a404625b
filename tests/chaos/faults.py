"""What is done to a deployment. Each fault begins when its context is entered, and ends when that is left."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

import psutil
import psycopg

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS", "Fault"]

Fault = Callable[["Deployment"], AbstractContextManager[None]]
QUEUE = "retention:retention"


@contextmanager
def worker_killed(it: "Deployment") -> Iterator[None]:
    """All processes of a worker get SIGKILL, the one with the batch among them."""
    for worker in it.workers:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
    yield


@contextmanager
def worker_child_killed(it: "Deployment") -> Iterator[None]:
    """The processes that run tasks get SIGKILL; their parents live."""
    for worker in it.workers:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(worker.pid).children():
                child.kill()
    yield


@contextmanager
def worker_told_to_stop(it: "Deployment") -> Iterator[None]:
    """Workers get SIGTERM, as in a rolling deployment."""
    for worker in it.workers:
        worker.terminate()
    yield


@contextmanager
def worker_frozen(it: "Deployment") -> Iterator[None]:
    """Workers get SIGSTOP, and SIGCONT at the end."""
    for worker in it.workers:
        os.killpg(worker.pid, signal.SIGSTOP)
    yield
    for worker in it.workers:
        os.killpg(worker.pid, signal.SIGCONT)


@contextmanager
def beat_and_web_killed(it: "Deployment") -> Iterator[None]:
    """Both beats and the web server get SIGKILL."""
    for process in [*it.beats, it.web]:
        process.kill()
    yield


@contextmanager
def redis_killed(it: "Deployment") -> Iterator[None]:
    """Redis is killed, and started again with what it had written down."""
    it.servers.kill_redis()
    yield
    it.servers.start()


@contextmanager
def redis_emptied(it: "Deployment") -> Iterator[None]:
    """Redis loses all it holds."""
    with it.servers.redis() as client:
        client.flushall()
    yield


@contextmanager
def redis_full(it: "Deployment") -> Iterator[None]:
    """Redis has no memory left, and refuses every write."""
    with it.servers.redis() as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@contextmanager
def redis_frozen(it: "Deployment") -> Iterator[None]:
    """Redis answers nothing, and no connection breaks."""
    it.servers.freeze_redis()
    yield
    it.servers.thaw_redis()


@contextmanager
def postgresql_crashed(it: "Deployment") -> Iterator[None]:
    """PostgreSQL ends at once, and recovers when it is started again."""
    it.servers.crash_postgresql()
    yield
    it.servers.start()


@contextmanager
def sessions_ended(it: "Deployment") -> Iterator[None]:
    """An administrator ends every session."""
    _end_sessions(it)
    yield


@contextmanager
def out_of_connections(it: "Deployment") -> Iterator[None]:
    """Every session is ended, and others take all there are."""
    taken: list[psycopg.Connection] = []
    _end_sessions(it)
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(it.servers.database_url))
    yield
    for each in taken:
        each.close()


@contextmanager
def read_only(it: "Deployment") -> Iterator[None]:
    """The database takes no changes, as one that was just made a replica."""
    it.administrator(f"ALTER DATABASE {it.database} SET default_transaction_read_only = on")
    _end_sessions(it)
    yield
    it.administrator(f"ALTER DATABASE {it.database} RESET default_transaction_read_only")


@contextmanager
def table_locked(it: "Deployment") -> Iterator[None]:
    """Somebody locks accounts and log, for longer than one waits for a lock."""
    with psycopg.connect(it.database_url) as somebody:
        locking = Thread(target=_try, args=(somebody, "LOCK TABLE accounts, chain_heads IN ACCESS EXCLUSIVE MODE"))
        locking.start()
        yield
        time.sleep(5)
        somebody.cancel()
        locking.join()


@contextmanager
def deadlocked(it: "Deployment") -> Iterator[None]:
    """Somebody takes the chain's head, and then wants the accounts of the batch, which wants the head."""
    with psycopg.connect(it.database_url) as somebody:
        _try(somebody, "SELECT FROM chain_heads FOR UPDATE")
        wanting = Thread(target=_try, args=(somebody, "SELECT FROM accounts FOR UPDATE"))
        wanting.start()
        yield
        wanting.join()
        somebody.rollback()


@contextmanager
def messages_doubled(it: "Deployment") -> Iterator[None]:
    """Each message that waits is there three times, in another order; and so is each that is unacknowledged."""
    with it.servers.redis() as client:
        waiting = client.lrange(QUEUE, 0, -1)
        again = [json.dumps(json.loads(each)[0]).encode() for each in client.hvals("retention:unacked")]
        more = (waiting + again) * 2
        random.Random(len(more)).shuffle(more)
        if more:
            client.rpush(QUEUE, *more)
    yield


@contextmanager
def messages_held_back(it: "Deployment") -> Iterator[None]:
    """What waits is taken away, and comes back at the end, when it is out of date."""
    kept = []
    with it.servers.redis() as client:
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            if (message := client.rpop(QUEUE)) is not None:
                kept.append(message)
            else:
                time.sleep(0.01)
    yield
    with it.servers.redis() as client:
        if kept:
            client.lpush(QUEUE, *kept)


@contextmanager
def messages_malformed(it: "Deployment") -> Iterator[None]:
    """The queue has messages that are none, of tasks that are none, and with arguments that nobody knows."""
    for args, kwargs in (([1, 2, 3, 4, 5], {}), (["x"], {}), ([], {"cutoff": "2100-01-01"}), ([None, None], {"a": []})):
        for task in ("retention.drain", "retention.sweep", "retention.purge_everything"):
            it.send(task, args=args, kwargs=kwargs)
    with it.servers.redis() as client:
        client.rpush(QUEUE, b"{", b"[]", b'{"body": 5}')
    yield


FAULTS: dict[str, Fault] = {
    fault.__name__.replace("_", " "): fault
    for fault in (
        worker_killed,
        worker_child_killed,
        worker_told_to_stop,
        worker_frozen,
        beat_and_web_killed,
        redis_killed,
        redis_emptied,
        redis_full,
        redis_frozen,
        postgresql_crashed,
        sessions_ended,
        out_of_connections,
        read_only,
        table_locked,
        deadlocked,
        messages_doubled,
        messages_held_back,
        messages_malformed,
    )
}


def _end_sessions(it: "Deployment") -> None:
    it.administrator(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{it.database}'")


def _try(connection: psycopg.Connection, statement: str) -> None:
    with suppress(psycopg.Error):
        connection.execute(statement)
