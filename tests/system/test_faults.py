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
    assert findings(engine, max(each["as_of"] for each in sweeps(stack))) == {}


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
    assert findings(engine, max(each["as_of"] for each in sweeps(stack))) == {}


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
    assert findings(engine, max(each["as_of"] for each in sweeps(stack))) == {}


WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'actions'::regclass AND NOT granted"


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'not ' || OLD.email, ERRCODE = 'restrict_violation', TABLE = 'accounts';
END $$;
CREATE TRIGGER refuse BEFORE DELETE ON accounts FOR EACH ROW WHEN (OLD.id = {}) EXECUTE FUNCTION refuse();
"""


def test_an_account_that_the_database_refuses_is_set_aside_and_tried_again_when_somebody_asks(stack, engine):
    long_ago = _now(engine) - timedelta(days=3000)
    with engine.begin() as connection:
        bad, *_ = [an_account(connection, status="invalid", invalidated_at=long_ago) for _ in range(30)]
        connection.exec_driver_sql(REFUSE.format(bad))
    stack.worker()
    (done,) = stack.run("purge")
    assert (done["status"], done["accounts"]) == ("done", 29)
    (aside,) = stack.retention("quarantine", "list", "--json", check=True).json["quarantine"]
    assert (aside["account_id"], aside["policy"], aside["attempts"]) == (bad, "purge", 3)
    assert "SQLSTATE 23001 at table accounts" in aside["failure"]
    status = stack.retention("status", "--json", check=True).json
    assert status["quarantine"] == {"purge": 1}
    assert status["quarantine_failures"] == {aside["failure"]: 1}
    assert aside["failure"] in stack.retention("status", check=True).out
    assert "set aside" in stack.retention("explain", str(bad), "--json", check=True).json["prevented"]["purge"][0]
    log = (stack.directory / "worker.log").read_text()
    assert "account.set_aside" in log
    assert "seeker" not in log
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse ON accounts")
    said = ("--actor", "mori", "--reason", "it is mended", "--json")
    assert stack.retention("quarantine", "retry", str(bad), *said, check=True).json == {
        "retried": [{"account_id": bad, "policy": "purge"}]
    }
    assert stack.run("purge")[0]["accounts"] == 1
    assert scalar(engine, "SELECT count(*) FROM accounts") == 0


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
        assert findings(engine, max(each["as_of"] for each in sweeps(stack))) == {}
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
