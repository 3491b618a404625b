"""What strikes Redis."""

import json
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import TYPE_CHECKING

from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.retry import Retry

from celeryconfig import broker_transport_options
from chaos.faults.fault import NotStruckError, fault, struck

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS", "QUEUE", "UNACKED"]

QUEUE, UNACKED, WHEN_TAKEN = "retention:retention", "retention:unacked", "retention:unacked_index"
MARK = "retention:chaos"


@fault(loses_messages=True)
def redis_killed(it: "Deployment") -> Iterator[None]:
    """Redis is killed, and started again with what it had written down, which may lack the last second."""
    it.servers.kill_redis()
    yield
    it.servers.start()


@fault(loses_messages=True)
def redis_restarted(it: "Deployment") -> Iterator[None]:
    """Redis is shut down in order, and started again."""
    it.servers.shut_redis_down()
    yield
    it.servers.start()


@fault(loses_messages=True)
def redis_emptied(it: "Deployment") -> Iterator[None]:
    """Redis loses all it holds."""
    with it.servers.redis() as client:
        client.set(MARK, 1)
        client.flushall()
        if client.exists(MARK):
            raise NotStruckError("Redis has lost nothing")
    yield


@fault(loses_messages=True)
def redis_full(it: "Deployment") -> Iterator[None]:
    """Redis has no memory left, and refuses every write."""
    with it.servers.redis() as client:
        client.config_set("maxmemory", 1)
        try:
            client.set(MARK, 1)
        except OutOfMemoryError:
            yield
        else:
            raise NotStruckError("Redis has taken a write")
        finally:
            client.config_set("maxmemory", 0)


@fault()
def redis_frozen(it: "Deployment") -> Iterator[None]:
    """Redis answers nothing, and no connection breaks."""
    it.servers.freeze_redis()
    yield
    it.servers.thaw_redis()


@fault()
def redis_slow(it: "Deployment") -> Iterator[None]:
    """Redis answers nothing for four tenths of each half a second."""
    over = Event()

    def slow() -> None:
        with it.servers.redis() as client:
            while not over.is_set():
                client.client_pause(400)
                over.wait(0.5)

    thread = Thread(target=slow)
    thread.start()
    try:
        struck(lambda: not _answers_at_once(it), "Redis lets one wait")
        yield
    finally:
        over.set()
        thread.join()


@fault()
def redis_away_for_longer_than_a_task_may_take(it: "Deployment") -> Iterator[None]:
    """Redis is away for a moment, and then says that five minutes have gone by.

    So Celery delivers again what nobody has acknowledged, though it is still at work. Here the moment is a second, and
    the minutes are taken from the instants at which messages were taken.
    """
    it.servers.freeze_redis()
    time.sleep(1)
    it.servers.thaw_redis()
    with it.servers.redis() as client:
        taken = {_task(message) for message in client.hvals(UNACKED)}
        for tag in client.zrange(WHEN_TAKEN, 0, -1):
            client.zincrby(WHEN_TAKEN, -2 * broker_transport_options["visibility_timeout"], tag)
        if not taken:
            raise NotStruckError("nothing was unacknowledged")
        struck(lambda: any(it.workers_said(b"[%s] received" % each) > 1 for each in taken), "a message comes again")
    yield


FAULTS = (
    redis_killed,
    redis_restarted,
    redis_emptied,
    redis_full,
    redis_frozen,
    redis_slow,
    redis_away_for_longer_than_a_task_may_take,
)


def _task(kept: bytes) -> bytes:
    """Return the number of the task whose message was taken, as what is kept of it says."""
    message, *_ = json.loads(kept)
    return str(message["headers"]["id"]).encode()


def _answers_at_once(it: "Deployment") -> bool:
    with it.servers.redis(socket_timeout=0.1, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except NoAnswerError:
            return False
