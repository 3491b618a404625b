"""A worker that is told to stop: it ends between batches, breaks off what takes too long, and hands the rest back."""

import os
import signal

import pytest
from oracle import findings, remember
from processes import until
from sqlalchemy import text

from worker.app import create_client
from worker.broker import redis_client
from worker.servers import Addresses
from worker.settings import Settings

EVERYBODY = {"RETENTION_CEILING_ACCOUNTS": "9999", "RETENTION_CEILING_SHARE": "1", "RETENTION_CEILING_FORECAST": "1e6"}
SMALL_BATCHES = EVERYBODY | {"RETENTION_BATCH_ACCOUNTS": "5"}

# Celery's word for a message that arrives when nobody takes any more.
HANDED_BACK = "Requeuing undeliverable message"


def scalar(engine, statement):
    with engine.connect() as connection:
        return connection.scalar(text(statement))


def sweeps(stack):
    return stack.retention("sweeps", "--json", check=True).json["sweeps"]


def withdrawn_long_ago(engine, accounts):
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at) "
                "SELECT 'online', 'withdrawn', n || '@example.jp', 'x', now() - interval '40 days' "
                "FROM generate_series(1, :accounts) AS n"
            ),
            {"accounts": accounts},
        )


def unacknowledged(broker_url):
    with redis_client(broker_url) as client:
        return client.hlen("retention:unacked")


def queued(broker_url):
    with redis_client(broker_url) as client:
        return client.llen("retention:retention")


# Celery calls an end by Ctrl-C a failure.
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_worker_that_is_told_to_stop_ends_between_batches_and_another_goes_on_at_once(
    stack, engine, broker_url, stop, code
):
    stack.environment |= SMALL_BATCHES
    withdrawn_long_ago(engine, 3000)
    remember(engine)
    worker = stack.worker()
    stack.retention("run", "counter_only", "--actor", "test", "--reason", "test", check=True)
    until(lambda: scalar(engine, "SELECT count(*) FROM actions"), "the first batches are done")
    worker.send_signal(stop)
    assert worker.wait(60) == code
    done = scalar(engine, "SELECT count(*) FROM actions")
    assert done < 3000
    lines = stack.log("worker")
    (told,) = [each["timestamp"] for each in lines if each["event"] == "worker.stopping"]
    after = [each["lane"] for each in lines if each["event"] == "batch.committed" and each["timestamp"] > told]
    assert len(after) == len(set(after)), "a lane ended with the batch that was in the air"
    (running,) = sweeps(stack)
    assert (running["status"], running["accounts"]) == ("running", done)
    assert unacknowledged(broker_url) == 0
    assert queued(broker_url) == 2, "both lanes wait for another worker"
    failed = [each for each in lines if each["level"] in ("warning", "error", "critical")]
    told = [each["event"] for each in failed if each["logger"] != "py.warnings"]
    assert [event for event in told if not event.startswith(HANDED_BACK)] == []
    # No beat runs here: nothing but what was handed back can wake the second worker.
    stack.worker("another")
    until(lambda: sweeps(stack)[0]["status"] == "done", "the rest is done")
    assert findings(engine, running["as_of"]) == {}


SLOW = """
CREATE SEQUENCE ended;
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep({}); PERFORM nextval('ended'); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION slow();
"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


def test_one_account_that_takes_too_long_does_not_keep_a_worker_from_stopping(stack, engine, broker_url):
    stack.environment |= EVERYBODY | {"RETENTION_DRAINS": "1"}
    withdrawn_long_ago(engine, 3)
    with engine.begin() as connection:
        connection.exec_driver_sql(SLOW.format(35))
    remember(engine)
    worker = stack.worker()
    stack.retention("run", "counter_only", "--actor", "test", "--reason", "test", check=True)
    until(lambda: "batch.split" in {each["event"] for each in stack.log("worker")}, "one account is done alone")
    until(lambda: scalar(engine, SLEEPING), "its transaction is under way")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert scalar(engine, "SELECT count(*) FROM actions") == 0
    assert (unacknowledged(broker_url), queued(broker_url)) == (0, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER slow ON accounts")
    stack.worker("another")
    until(lambda: sweeps(stack)[0]["status"] == "done", "the rest is done")
    assert findings(engine, max(each["as_of"] for each in sweeps(stack))) == {}


def test_a_task_that_comes_as_a_worker_is_told_to_stop_does_not_keep_it(stack, broker_url):
    worker = stack.worker()
    app = create_client(Settings(), Addresses(stack.environment["RETENTION_DATABASE_URL"], broker_url))
    for _ in range(3):
        app.send_task("retention.dispatch")
    until(lambda: b"] received" in (stack.directory / "worker.log").read_bytes(), "one is handed over")
    worker.terminate()
    # Less than what orchestrators grant, and than what billiard's children wait for a parent that does not listen.
    assert worker.wait(25) == 0
    assert unacknowledged(broker_url) == 0


def test_what_a_killed_worker_was_doing_ends_in_the_database_too(stack, engine):
    withdrawn_long_ago(engine, 3)
    with engine.begin() as connection:
        connection.exec_driver_sql(SLOW.format(8))
    worker = stack.worker()
    stack.retention("run", "counter_only", "--actor", "test", "--reason", "test", check=True)
    until(lambda: scalar(engine, SLEEPING), "a batch is under way")
    os.killpg(worker.pid, signal.SIGKILL)
    until(lambda: not scalar(engine, SLEEPING), "nobody holds the accounts any more")
    assert not scalar(engine, "SELECT is_called FROM ended"), "the statement was not carried to its end"
