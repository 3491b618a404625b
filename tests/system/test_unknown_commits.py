"""The connection breaks between a batch's commit and its answer: what became of it is looked up, never guessed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from by_hand import ByHand
from chaos.gate import Outcome, Point, gate
from kombu.exceptions import OperationalError
from oracle import findings, remember
from processes import Stack, until
from structlog.testing import capture_logs
from sweeping import NOW, a_sweep, purgeable

from models import PolicyName
from models.errors import BatchUnknownError, Unavailable
from tasks.batch import run_batch
from tasks.resolve import resolve_batch
from tasks.statements.claim import take_lane
from worker.database import connect

ARRIVED = pytest.mark.parametrize("arrived", [True, False], ids=["commit arrived", "commit did not arrive"])
EVERYBODY = {"RETENTION_CEILING_SHARE": "1", "RETENTION_CEILING_FORECAST": "1e6"}


def outcome(arrived):
    return Outcome.UNANSWERED if arrived else Outcome.CUT


@pytest.fixture
def due(engine):
    """How many accounts are due for a purge."""
    with engine.begin() as connection:
        return len([purgeable(connection) for _ in range(7)])


@pytest.fixture
def unknown(engine, database_url, policies, due):
    """Runs a batch of all whose commit is cut; returns (sweep, receipt)."""

    def run(*, arrived):
        sweep_id, cutoff = a_sweep(engine, policies, PolicyName.PURGE, as_of=NOW)
        with gate(database_url) as proxy:
            proxy.arm(Point.COMMIT, lambda: outcome(arrived))
            with pytest.raises(BatchUnknownError, match="whether it was done is not known") as caught:
                run_batch(
                    connect(proxy.url, pooled=False), policies.purge, cutoff, sweep_id=sweep_id, lane=0, limit=due
                )
        return sweep_id, caught.value.receipt_id

    return run


@ARRIVED
def test_what_became_of_a_batch_is_said_by_the_number_of_its_receipt(engine, unknown, due, arrived):
    sweep_id, receipt_id = unknown(arrived=arrived)
    with capture_logs() as logged:
        resolve_batch(engine, sweep_id=sweep_id, lane=0, receipt_id=receipt_id)
    (told,) = logged
    assert (told["event"], told["receipt"], told["committed"]) == ("batch.resolved", receipt_id, arrived)
    assert told["accounts"] == (due if arrived else 0)
    assert (told["head"] or "").startswith("1:") == arrived
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM accounts").scalar() == (0 if arrived else due)


def test_nothing_is_said_while_the_server_may_still_be_at_the_commit(engine, unknown):
    sweep_id, receipt_id = unknown(arrived=True)
    with engine.begin() as still_at_it, capture_logs() as logged:
        until(lambda: still_at_it.scalar(take_lane(sweep_id, 0)), "the cut connection has let the lane go")
        with pytest.raises(Unavailable, match="longer than one waits"):
            resolve_batch(engine, sweep_id=sweep_id, lane=0, receipt_id=receipt_id)
    assert logged == []


def test_it_is_asked_again_and_never_out_of_date_for_as_long_as_the_database_is_away(broker_url):
    with closing(ByHand("postgresql:///mypage?host=/nowhere", broker_url)) as hand:
        hand.do("drain", 1, 0, 7)
        with hand.app.connection_for_read() as connection:
            message = connection.SimpleQueue("retention").get_nowait()
    assert message.payload[0] == [1, 0, 7]
    assert message.headers["expires"] is None


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
NOWHERE = "redis://127.0.0.1:1/0"


def by_itself(database_url):
    """A deployment whose Redis is away."""
    return closing(ByHand(database_url, NOWHERE, broker_clock=lambda: datetime.now(UTC), ceiling_share=1))


@ARRIVED
def test_it_is_said_though_redis_is_away_from_the_commit_on(engine, database_url, policies, due, arrived):
    sweep_id, _ = a_sweep(engine, policies, PolicyName.PURGE, as_of=NOW)
    with gate(database_url) as proxy, by_itself(proxy.url) as hand, capture_logs() as logged:
        proxy.arm(Point.COMMIT, lambda: outcome(arrived))
        with pytest.raises(OperationalError):  # there is nothing to wake the lane by; a later minute's will
            hand.do("drain", sweep_id, 0)
    (unknown,), (told,) = ([each for each in logged if each["event"] == f"batch.{e}"] for e in ("unknown", "resolved"))
    assert (told["receipt"], told["committed"]) == (unknown["receipt"], arrived)


def test_it_is_asked_on_while_neither_redis_nor_the_database_answers(engine, database_url, unknown):
    sweep_id, receipt_id = unknown(arrived=True)

    def ask():
        with by_itself(database_url) as hand, capture_logs() as logged:
            with suppress(OperationalError):
                hand.do("drain", sweep_id, 0, receipt_id)
            return [each["receipt"] for each in logged if each["event"] == "batch.resolved"]

    def waiting():
        with engine.connect() as connection:
            return connection.exec_driver_sql(WAITING).scalar()

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as still_at_it:
            until(lambda: still_at_it.scalar(take_lane(sweep_id, 0)), "the cut connection has let the lane go")
            asking = pool.submit(ask)
            until(waiting, "it waits for the lane")
            until(lambda: not waiting(), "it has waited as long as one waits for a lane")
        assert asking.result() == [receipt_id]


@ARRIVED
def test_a_worker_looks_what_became_of_its_batch_and_goes_on(engine, database_url, broker_url, tmp_path, due, arrived):
    remember(engine)
    with gate(database_url) as proxy:
        proxy.arm(Point.COMMIT, lambda: outcome(arrived))
        stack = Stack(proxy.url, broker_url, tmp_path, **EVERYBODY)
        try:
            stack.worker()
            (sweep,) = stack.run("purge")
            told = until(lambda: [e for e in stack.log("worker") if e["event"] == "batch.resolved"], "it is cleared up")
            unknown = [each for each in stack.log("worker") if each["event"] == "batch.unknown"]
        finally:
            stack.stop()
    assert (sweep["status"], sweep["accounts"]) == ("done", due)
    assert [(each["receipt"], each["committed"]) for each in told] == [(unknown[0]["receipt"], arrived)]
    assert findings(engine, sweep["as_of"]) == {}
