"""Redis and PostgreSQL killed, emptied, filled, started again under a sweep: worker and beat recover by themselves."""

import json
import time

import pytest
from hostile import message_of_ours
from oracle import findings, remember
from own_servers import OwnServers
from processes import Stack, until
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models.errors import Unavailable
from worker.database import connect, migrate

MINUTE = 60
SMALL_BATCHES = {"RETENTION_BATCH_ACCOUNTS": "2", "RETENTION_CEILING_SHARE": "1", "RETENTION_CEILING_FORECAST": "1e6"}


@pytest.fixture
def own(tmp_path):
    """A deployment on servers of its own: (it, they, an engine)."""
    servers = OwnServers(tmp_path / "var", database=True)
    engine = connect(servers.database_url)
    migrate(engine)
    stack = Stack(servers.database_url, servers.broker_url, tmp_path, **SMALL_BATCHES)
    yield stack, servers, engine
    stack.stop()
    engine.dispose()


def redis_restarted(servers):
    servers.kill_redis()
    time.sleep(3)
    servers.start()


def redis_emptied(servers):
    with servers.redis() as client:
        client.flushall()


def redis_full(servers):
    """More waits than is taken before nothing can be written: what is taken then cannot be kept as unacknowledged."""
    waiting = [json.dumps(message_of_ours("retention.recover", ()))] * 500
    with servers.redis() as client:
        client.lpush("retention:retention", *waiting)
        client.config_set("maxmemory", 1)
        time.sleep(3)
        client.config_set("maxmemory", 0)


def postgresql_restarted(servers):
    servers.crash_postgresql()
    time.sleep(3)
    servers.start()


def actions(engine):
    """Count the actions; None where the database has just been started again and this connection is none any more."""
    try:
        with engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM actions"))
    except (Unavailable, OperationalError):
        engine.dispose()
        return None


@pytest.mark.parametrize("outage", [redis_restarted, redis_emptied, redis_full, postgresql_restarted])
def test_after_an_outage_in_mid_sweep_worker_and_beat_go_on_by_themselves_to_the_same_end(own, outage, capsys):
    stack, servers, engine = own
    stack.retention("seed", "--accounts", "6000", check=True)
    remember(engine)
    processes = [stack.worker(), stack.beat()]
    stack.retention("run", "all", "--actor", "test", "--reason", "test", check=True)
    before = until(lambda: actions(engine), "the sweep has begun")
    outage(servers)
    over = time.monotonic()
    until(lambda: (actions(engine) or 0) > before, "the worker acts again", 2 * MINUTE)
    until(lambda: _all_done(stack), "all sweeps are done", 4 * MINUTE)
    with capsys.disabled():
        print(f"\n{outage.__name__}: all is done {time.monotonic() - over:.0f} s after it was over")
    assert [process.poll() for process in processes] == [None, None]
    # Right after midnight, beat's tick is one of the day before.
    as_of = max(each["as_of"] for each in stack.retention("sweeps", "--json", check=True).json["sweeps"])
    assert findings(engine, as_of) == {}
    dispatched = _dispatched(stack)
    until(lambda: _dispatched(stack) > dispatched, "beat dispatches, and the worker hears it", 2 * MINUTE)


def _all_done(stack):
    found = stack.retention("sweeps", "--json")
    return found.code == 0 and all(each["status"] == "done" for each in found.json["sweeps"])


def _dispatched(stack):
    return sum("retention.dispatch" in each["event"] and "succeeded" in each["event"] for each in stack.log("worker"))
