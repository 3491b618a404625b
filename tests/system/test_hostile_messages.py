"""One worker, whose Redis somebody else can write to: it lives on, does its work, and says what it saw."""

import json
import random

import pytest
from celery import Celery
from fuzzing import examples
from hostile import HOSTILE, changed, message_of_ours, question_of_ours
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


TELLING = ["active", "active_queues", "ping", "registered", "reserved", "revoked", "scheduled", "stats"]
COMMANDS = [
    ("add_consumer", {"queue": "another"}),
    ("cancel_consumer", {"queue": "retention"}),
    ("time_limit", {"task_name": "retention.drain", "hard": 1}),
    ("rate_limit", {"task_name": "retention.drain", "rate_limit": "1/h"}),
    ("pool_grow", {"n": 100}),
    ("pool_shrink", {"n": 1}),
    ("autoscale", {"max": 100, "min": 100}),
    ("pool_restart", {"modules": ["os"]}),
    ("revoke", {"task_id": "a", "terminate": True}),
    ("election", {"id": "a", "topic": "task"}),
    ("conf", {}),
    ("shutdown", {}),
]
# Each with the part that the log names.
UNASKED = [
    ({"method": "ping", "arguments": {"destination": "x"}}, "body.arguments"),
    ({"method": "ping", "arguments": [], "reply_to": {}}, "body.arguments"),
    ({"method": "registered", "arguments": {"taskinfoitems": ["run"]}}, "body.arguments"),
    ({"method": "ping", "arguments": {}, "pattern": "(a+)+$", "matcher": "pcre"}, "body.pattern"),
    ({"method": "ping", "arguments": {}, "destination": 7}, "body.destination"),
    (
        {"method": "ping", "arguments": {}, "reply_to": {"exchange": "retention", "routing_key": "a"}},
        "body.reply_to.exchange",
    ),
    (7, "body."),
]


@pytest.fixture
def operator(broker_url):
    """Celery's own remote control, by which an operator asks, and an attacker commands."""
    app = Celery("operator", broker=broker_url)
    app.conf.broker_transport_options = {"global_keyprefix": "retention:"}
    yield app.control
    app.close()


def publish(redis, exchange, raw):
    """Send something to whoever listens to an exchange, and return how many do."""
    return redis.publish(f"retention:/{redis.get_connection_kwargs()['db']}.{exchange}", raw)


def test_a_worker_answers_what_is_asked_and_obeys_no_command(stack, redis, operator):
    worker = stack.worker(concurrency=1)
    for method in TELLING:
        assert getattr(operator.inspect(timeout=10, limit=1), method)() is not None, method
    assert operator.broadcast("enable_events", reply=True, timeout=10, limit=1)
    before = operator.inspect(timeout=10, limit=1)
    queues, processes = before.active_queues(), [each["pool"]["processes"] for each in before.stats().values()]
    for method, arguments in COMMANDS:
        operator.broadcast(method, arguments)
    until(lambda: len(refused(stack)) == len(COMMANDS), "all are refused")
    assert {each.split(":")[0] for each in refused(stack)} == {"body.method"}
    after = operator.inspect(timeout=10, limit=1)
    assert after.active_queues() == queues
    assert [each["pool"]["processes"] for each in after.stats().values()] == processes
    assert worker.poll() is None
    assert stack.run("purge")[0]["status"] == "done"


def test_a_worker_outlives_what_all_workers_are_sent_and_tells_none_of_it(stack, redis):
    worker = stack.worker(concurrency=1)
    for raw in [*GARBAGE[1:], SECRET.encode()]:
        assert publish(redis, "celery.pidbox", raw) == 1
    for asked, _ in UNASKED:
        publish(redis, "celery.pidbox", json.dumps(question_of_ours(asked)))
    told = until(lambda: len(seen := refused(stack)) == len(GARBAGE) + len(UNASKED) and seen, "all are refused")
    assert [each.split(":")[0] for each in told[-len(UNASKED) :]] == [part for _, part in UNASKED]
    assert worker.poll() is None
    assert stack.run("purge")[0]["status"] == "done"
    assert SECRET not in (stack.directory / "worker.log").read_text()


def test_a_worker_listens_to_no_events_of_others(stack, redis):
    stack.worker()
    assert publish(redis, "celeryev/worker.heartbeat", "{}") == 0


def test_a_worker_outlives_what_is_written_beside_the_queue(stack, redis):
    worker = stack.worker(concurrency=1)
    redis.hset("retention:unacked", mapping={f"tag{number}": raw for number, raw in enumerate(GARBAGE)})
    redis.zadd("retention:unacked_index", {f"tag{number}": random.random() for number in range(len(GARBAGE) + 1)})
    until(lambda: not redis.zcard("retention:unacked_index"), "what nobody can give back is given up")
    assert stack.run("purge")[0]["status"] == "done"
    assert worker.poll() is None
