"""What strikes the messages on their way through Redis."""

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from redis.connection import AbstractConnection

from chaos.faults.fault import NotStruckError, fault, struck
from chaos.faults.redis import QUEUE, UNACKED
from chaos.gate import Point

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS"]

# Who waits for a message first gets it first, and a worker begins to wait anew each second: so many are before it.
HANDS = 40
REFUSED = b'"message.refused"'


@fault()
def messages_doubled(it: "Deployment") -> Iterator[None]:
    """Each message that waits is there three times, in another order; and so is each that is unacknowledged."""
    with it.servers.redis() as client:
        waiting = client.lrange(QUEUE, 0, -1)
        again = [json.dumps(json.loads(each)[0]).encode() for each in client.hvals(UNACKED)]
        more = (waiting + again) * 2
        if not more:
            raise NotStruckError("there was no message")
        random.Random(len(more)).shuffle(more)
        client.rpush(QUEUE, *more)
    yield


@fault(loses_messages=True)
def messages_held_back(it: "Deployment") -> Iterator[None]:
    """Nothing comes out of the queue; at the end it comes as it would after an hour, when it is out of date."""
    with it.servers.redis() as client, ExitStack() as letting_go:
        hands = []
        for _ in range(HANDS):
            hand = client.connection_pool.get_connection()
            letting_go.callback(hand.disconnect)
            hand.send_command("BRPOP", QUEUE, 0)
            hands.append(hand)
        yield
        struck(lambda: any(hand.can_read() for hand in hands), "a message was held back")
        kept = [_read(hand) for hand in hands if hand.can_read()]
        letting_go.close()  # or they would be taken again
        client.lpush(QUEUE, *map(_an_hour_later, kept))


@fault()
def messages_malformed(it: "Deployment") -> Iterator[None]:
    """The queue has what is no message."""
    with _refused(it, 3), it.servers.redis() as client:
        client.rpush(QUEUE, b"{", b"[]", b'{"body": 5}')
        yield


@fault()
def messages_with_unknown_arguments(it: "Deployment") -> Iterator[None]:
    """The queue has messages of tasks that are none, and with arguments that nobody knows."""
    calls = (([1, 2, 3, 4, 5], {}), (["x"], {}), ([], {"cutoff": "2100-01-01"}), ([None, None], {"a": []}))
    tasks = ("retention.drain", "retention.sweep", "retention.purge_everything")
    with _refused(it, len(calls) * len(tasks)):
        for args, kwargs in calls:
            for task in tasks:
                it.send(task, args=args, kwargs=kwargs)
        yield


@fault(not_at=(Point.TICK,))
def messages_of_an_older_version(it: "Deployment") -> Iterator[None]:
    """Each lane of a sweep is woken as by a worker that knew fewer headers, and by one of Celery's first protocol.

    The former is taken, the latter is none of ours.
    """
    ids = []
    sweeps = it.column("SELECT id FROM sweeps WHERE ended_at IS NULL") or it.column("SELECT id FROM sweeps")
    with _refused(it, 1), it.servers.redis() as client:
        for sweep in sweeps:
            for lane in range(4):
                ids.append(str(uuid4()))
                client.rpush(QUEUE, _drain(ids[-1], [sweep, lane]), _of_the_first_protocol([sweep, lane]))
        yield
        struck(lambda: all(it.workers_said(f"retention.drain[{each}]".encode()) for each in ids), "each was taken")


FAULTS = (
    messages_doubled,
    messages_held_back,
    messages_malformed,
    messages_with_unknown_arguments,
    messages_of_an_older_version,
)


@contextmanager
def _refused(it: "Deployment", number: int) -> Iterator[None]:
    """Make sure that workers have come to see so many messages that they refuse."""
    before = it.workers_said(REFUSED)
    yield
    struck(lambda: it.workers_said(REFUSED) >= before + number, "workers have refused it")


def _read(hand: AbstractConnection) -> bytes:
    _, message = hand.read_response()
    return message


def _an_hour_later(message: bytes) -> bytes:
    """Let everything in a message that names an instant name one an hour before."""
    read = json.loads(message)
    for name in ("expires", "eta"):
        if written := read["headers"].get(name):
            read["headers"][name] = (datetime.fromisoformat(written) - timedelta(hours=1)).isoformat()
    return json.dumps(read).encode()


def _drain(task_id: str, args: list[int]) -> bytes:
    headers = {"lang": "py", "task": "retention.drain", "id": task_id, "retries": 0, "replaced_task_nesting": 0}
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return _message([args, {}, embedded], headers, task_id)


def _of_the_first_protocol(args: list[int]) -> bytes:
    task_id = str(uuid4())
    return _message({"task": "retention.drain", "id": task_id, "args": args, "kwargs": {}, "retries": 0}, {}, task_id)


def _message(body: Any, headers: dict[str, Any], task_id: str) -> bytes:
    properties = {
        "correlation_id": task_id,
        "delivery_tag": str(uuid4()),
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "retention"},
        "body_encoding": "base64",
    }
    message = {
        "body": b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(message).encode()
