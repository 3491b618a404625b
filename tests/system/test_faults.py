"""Killed workers, doubled beats, lost messages, a broker that went away: the end state is the same."""

import os
import signal
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
from builders import an_account
from oracle import findings, remember
from processes import Stack, until
from sqlalchemy import text

from worker import embedded

EVERY_MINUTE = {"RETENTION_PURGE_CRON": "* * * * *", "RETENTION_COUNTER_ONLY_CRON": "* * * * *"}


def scalar(engine, statement):
    with engine.connect() as connection:
        return connection.scalar(text(statement))


def sweeps(stack):
    return stack.retention("sweeps", "--json", check=True).json["sweeps"]


def call(stack, task, **arguments):
    """Send a task as `celery call` does."""
    process = stack.start("celery", "-A", "worker", "call", task, "--kwargs", _json(arguments), log="call")
    assert process.wait() == 0


def _json(arguments):
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in arguments.items()) + "}"


def test_a_tick_missed_while_all_was_down_is_caught_up_once_however_often_it_is_dispatched(stack, engine):
    stack.retention("seed", "--accounts", "500", check=True)
    remember(engine)
    stack.worker()
    for _ in range(3):
        call(stack, "retention.dispatch")
    until(lambda: [each["status"] for each in sweeps(stack)] == ["done", "done"], "both sweeps are done, and only two")
    assert {each["actor"] for each in sweeps(stack)} == {"beat"}
    assert {each["tick"][11:] for each in sweeps(stack)} == {"00:10:00+09:00", "00:30:00+09:00"}
    assert findings(engine, sweeps(stack)[0]["as_of"]) == {}


def test_two_beats_at_once_do_every_tick_once(stack, engine):
    stack.retention("seed", "--accounts", "500", check=True)
    remember(engine)
    stack.environment |= EVERY_MINUTE
    stack.worker()
    beats = [stack.beat(f"beat{number}") for number in range(2)]
    until(
        lambda: len([each for each in sweeps(stack) if each["status"] == "done"]) >= 4, "two ticks of each policy", 200
    )
    assert all(beat.poll() is None for beat in beats)
    dispatched = (stack.directory / "worker.log").read_bytes().count(b"Task retention.dispatch[")
    minutes = scalar(engine, "SELECT count(DISTINCT tick) FROM sweeps")
    assert dispatched >= 2 * (minutes - 1) > 0, "both beats dispatch"
    assert scalar(engine, "SELECT count(*) FROM sweeps") == 2 * minutes
    assert findings(engine, sweeps(stack)[0]["as_of"]) == {}


@pytest.fixture(params=["the whole worker", "one child"])
def victim(request, stack):
    """A running worker, and what kills it in mid-batch."""
    worker = stack.worker()

    def kill(backend_pid_owner: int) -> None:
        if request.param == "the whole worker":
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        else:
            os.kill(backend_pid_owner, signal.SIGKILL)

    return worker, kill


@contextmanager
def a_batch_in_the_air(stack, engine):
    """Seed and sweep; until the block ends, a batch stands still with everything deleted and nothing committed."""
    stack.retention("seed", "--accounts", "500", check=True)
    remember(engine)
    with engine.connect() as obstacle:
        obstacle.execute(text("LOCK TABLE actions IN EXCLUSIVE MODE"))  # a batch writes its actions last
        stack.retention("run", "all", "--actor", "test", "--reason", "test", check=True)
        until(lambda: scalar(engine, WAITING), "a batch stands before the lock")
        yield


def test_a_worker_killed_in_mid_batch_loses_and_doubles_nothing(stack, engine, victim):
    worker, kill = victim
    with a_batch_in_the_air(stack, engine):
        for child in psutil.Process(worker.pid).children():
            kill(child.pid)
            if worker.poll() is not None:
                break
        until(lambda: not scalar(engine, WAITING), "the killed batch is gone")
    assert scalar(engine, "SELECT count(*) FROM actions") == 0
    if worker.poll() is not None:
        stack.worker("another")
    stack.beat()
    until(lambda: all(each["status"] == "done" for each in sweeps(stack)), "all sweeps are done", 240)
    assert findings(engine, sweeps(stack)[0]["as_of"]) == {}


WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'actions'::regclass AND NOT granted"


def test_a_batch_that_the_database_refuses_ends_its_sweep_as_failed_and_the_other_goes_on(stack, engine):
    with engine.begin() as connection:
        account_id = an_account(connection, status="invalid", invalidated_at=None)
        connection.execute(
            text("UPDATE job_seekings SET invalidated_at = now() - interval '7 years' WHERE account_id = :id"),
            {"id": account_id},
        )
        connection.execute(text("CREATE TABLE notes (account_id bigint PRIMARY KEY REFERENCES accounts)"))
        connection.execute(text("INSERT INTO notes VALUES (:id)"), {"id": account_id})
    stack.worker()
    asked = stack.retention("run", "purge", "--actor", "test", "--reason", "test", "--json", check=True).json
    number = asked["sweeps"][0]["id"]
    until(lambda: scalar(engine, "SELECT attempts FROM sweeps") >= 1, "an attempt is counted")
    for lane in range(10):
        process = stack.start(
            "celery", "-A", "worker", "call", "retention.drain", "--args", f"[{number}, {lane}]", log="call"
        )
        process.wait()
    failed = until(lambda: [each for each in sweeps(stack) if each["status"] == "failed"], "the sweep has failed")[0]
    assert "SQLSTATE 23503 at table notes" in failed["failure"]
    assert scalar(engine, "SELECT count(*) FROM accounts") == 1
    assert stack.run("counter_only")[0]["status"] == "done"


@pytest.fixture
def own_broker(tmp_path: Path):
    """A Redis of the test's own, which it may kill: (URL, what kills it, what starts it again)."""
    var = tmp_path / "var"
    url = embedded.ensure(var, database=False, broker=True).broker_url

    def kill():
        with redis.Redis(unix_socket_path=url.removeprefix("redis+socket://")) as client:
            process = psutil.Process(client.info()["process_id"])
        process.kill()
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "Redis is gone")

    return url, kill, lambda: embedded.ensure(var, database=False, broker=True)


def test_a_broker_killed_under_a_busy_worker_does_not_end_it(database_url, engine, own_broker, tmp_path):
    url, kill, start = own_broker
    stack = Stack(database_url, url, tmp_path)
    try:
        worker = stack.worker()
        with a_batch_in_the_air(stack, engine):
            kill()
            time.sleep(2)
            start()
        stack.beat()
        until(lambda: all(each["status"] == "done" for each in sweeps(stack)), "all sweeps are done", 240)
        assert worker.poll() is None
        assert stack.run("all")[0]["status"] == "done"
        assert findings(engine, sweeps(stack)[0]["as_of"]) == {}
    finally:
        stack.stop()


def test_what_was_queued_while_no_worker_was_there_is_done_when_one_comes(stack, engine, broker_url):
    with engine.begin() as connection:
        an_account(connection, state="withdrawn", withdrawn_at=_now(engine) - timedelta(days=40))
    stack.retention("run", "counter_only", "--actor", "test", "--reason", "test", check=True)
    path, _, number = broker_url.removeprefix("redis+socket://").partition("?virtual_host=")
    with redis.Redis(unix_socket_path=path, db=int(number)) as client:
        client.flushdb()  # the wake-up is lost, the sweep is a row
    stack.worker()
    stack.beat()
    until(lambda: [each["status"] for each in sweeps(stack) if each["actor"] == "test"] == ["done"], "it is done", 240)
    assert scalar(engine, "SELECT count(*) FROM actions") == 1


def test_waiting_for_a_sweep_that_nobody_works_on_ends_with_the_way_out(stack):
    waited = stack.retention("run", "purge", "--wait", "--actor", "test", "--reason", "test")
    assert waited.code == 5
    assert "no worker answers yet" in waited.err
    assert "stays queued until one comes" in waited.err
    assert [each["status"] for each in sweeps(stack)] == ["queued"]


def _now(engine):
    return scalar(engine, "SELECT now()")
