"""One worker, whose Redis somebody else can write to: it lives on, does its work, and says what it saw."""

import json
import random

import pytest
from fuzzing import examples
from hostile import HOSTILE, changed, message_of_ours
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from processes import until

from worker.broker import redis_client

QUEUE = "retention:retention"
SECRET = "taro.yamada@example.jp"
GARBAGE = [
    b"",
    b"no JSON",
    b"\xff\x00",
    b"[" * 100_000,
    b'{"__type__": "decimal", "__value__": []}',
    b"7",
    b"null",
    b"[]",
]


@pytest.fixture
def redis(broker_url):
    with redis_client(broker_url) as client:
        yield client


def hostile(how):
    message = message_of_ours(args=(10**6,))
    HOSTILE[how][0](message)
    return json.dumps(message).encode()


def refused(stack):
    return [each["reason"] for each in stack.log("worker") if each["event"] == "message.refused"]


def test_a_worker_refuses_each_by_the_name_of_its_part_and_does_its_work(stack, engine, redis):
    stack.retention("seed", "--accounts", "500", check=True)
    worker = stack.worker(concurrency=1)
    for raw in (*GARBAGE, *map(hostile, HOSTILE)):
        redis.lpush(QUEUE, raw)
    expected = [part for _, part in HOSTILE.values()]
    told = until(lambda: (seen := refused(stack)) and len(seen) >= len(GARBAGE) + len(HOSTILE) and seen, "all refused")
    assert [each.split(":")[0] for each in told[len(GARBAGE) :]] == expected
    assert stack.run("purge")[0]["status"] == "done"
    assert worker.poll() is None
    assert not redis.hlen("retention:unacked")
    assert SECRET not in (stack.directory / "worker.log").read_text()


def test_a_worker_outlives_messages_in_which_anything_may_be_something_else(stack, redis):
    worker = stack.worker(concurrency=1)
    pushed = 0

    @settings(examples(300), phases=[Phase.generate])
    @given(st.data())
    def push(data):
        nonlocal pushed
        message = data.draw(changed(message_of_ours(args=(10**6,))))
        redis.lpush(QUEUE, json.dumps(message))
        pushed += 1

    push()
    until(lambda: not redis.llen(QUEUE) and not redis.hlen("retention:unacked"), "all are taken")
    assert pushed >= 300
    assert worker.poll() is None
    assert refused(stack)
    assert not any("Unrecoverable" in each["event"] for each in stack.log("worker"))


def test_a_worker_outlives_what_is_written_beside_the_queue(stack, redis):
    worker = stack.worker(concurrency=1)
    redis.hset("retention:unacked", mapping={f"tag{number}": raw for number, raw in enumerate(GARBAGE)})
    redis.zadd("retention:unacked_index", {f"tag{number}": random.random() for number in range(len(GARBAGE) + 1)})
    until(lambda: not redis.zcard("retention:unacked_index"), "what nobody can give back is given up")
    assert stack.run("purge")[0]["status"] == "done"
    assert worker.poll() is None
