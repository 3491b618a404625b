"""A worker outlives a Redis that is full, or away, again and again."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from by_hand import ByHand
from own_servers import OwnServers
from processes import Stack, until


@pytest.fixture
def own(database_url, tmp_path):
    """A Redis of the test's own, a deployment on it, and its worker's log."""
    servers = OwnServers(tmp_path / "var", database=False)
    stack = Stack(database_url, servers.broker_url, tmp_path)
    yield servers, stack, tmp_path / "worker.log"
    stack.stop()


def test_a_worker_lives_on_does_what_it_took_from_a_redis_that_is_full_and_says_so_once(own, database_url):
    servers, stack, log = own
    sent = 0

    def send(messages):
        nonlocal sent
        sent += messages
        for _ in range(messages):
            hand.app.send_task("retention.measure")

    def is_done():
        assert worker.poll() is None
        return log.read_bytes().count(b"succeeded") == sent

    worker = stack.worker()
    with closing(ByHand(database_url, servers.broker_url)) as hand, servers.redis() as client:
        for outage in (1, 2):
            # It is handed the first message, and reads it only when there is no memory left.
            os.killpg(worker.pid, signal.SIGSTOP)
            send(3)
            client.config_set("maxmemory", 1)
            os.killpg(worker.pid, signal.SIGCONT)
            until(is_done, "it has done them")
            client.config_set("maxmemory", 0)
            assert [each["event"] for each in stack.log("worker")].count("broker.full") == outage
            send(1)
            until(is_done, "it has done one that Redis has noted")


def test_a_worker_that_begins_while_redis_is_full_waits_until_it_is_not(own):
    servers, stack, log = own
    with servers.redis() as client:
        client.config_set("maxmemory", 1)
        worker = stack.start("celery", "-A", "worker", "worker", "--concurrency=1", log="worker")
        until(lambda: b"Frequent restarts" in log.read_bytes(), "it has been refused")
        assert worker.poll() is None
        client.config_set("maxmemory", 0)
        until(lambda: b"ready." in log.read_bytes(), "it is at work")
        assert worker.poll() is None


def test_a_worker_greets_no_other_whose_answer_could_stay_in_redis(own):
    _, stack, log = own
    stack.worker()
    assert b"mingle" not in log.read_bytes()


def test_a_worker_whose_redis_goes_away_again_and_again_has_no_more_files_open(own, database_url):
    servers, stack, log = own

    def files():
        return len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))

    def go_away():
        connected = log.read_bytes().count(b"Connected to")
        servers.kill_redis()
        servers.start()
        until(lambda: log.read_bytes().count(b"Connected to") > connected, "it is connected again")
        hand.app.send_task("retention.measure")
        until(lambda: log.read_bytes().count(b"succeeded") > connected, "it is at work again")

    worker = stack.worker()
    with closing(ByHand(database_url, servers.broker_url)) as hand:
        hand.app.send_task("retention.measure")
        until(lambda: b"succeeded" in log.read_bytes(), "it is at work")
        for _ in range(2):
            go_away()
        few = files()
        for _ in range(4):
            go_away()
        until(lambda: files() <= few + 1, "no more files are open than before")
