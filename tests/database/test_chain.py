"""Each batch is sealed: its actions' digests into a root, its receipt into the chain."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import a_sweep, an_account
from calling import counting_calls
from logs import a_long_log
from sqlalchemy import select, text
from sweeping import damaging

from models import Action, ChainHead, PolicyName, Receipt
from models.errors import SweepStoppedError
from models.proof import GENESIS, action_digest, chained, merkle_root, receipt_body
from tasks.batch import run_batch
from tasks.chain import entries, snapshot
from tasks.rules.cutoff import Cutoff
from tasks.rules.records import ReceiptRecord
from worker.database import connect, migrate

NOW = datetime.now(UTC)
LONG_WITHDRAWN = NOW - timedelta(days=50, microseconds=1)


@pytest.fixture
def close(engine, policies):
    """Close the windows of so many new accounts, in batches of up to two; returns the sweep's number."""

    def run(accounts: int) -> int:
        cutoff = Cutoff.of(policies, PolicyName.COUNTER_ONLY, NOW)
        with engine.begin() as connection:
            for _ in range(accounts):
                an_account(connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN)
            sweep_id = a_sweep(connection, cutoff, NOW)
        while run_batch(engine, policies.counter_only, cutoff, sweep_id=sweep_id, lane=0, limit=2).claimed:
            pass
        return sweep_id

    return run


def chain(engine):
    """What the log holds, receipt by receipt, with the actions of each."""
    with engine.connect() as connection:
        receipts = connection.execute(select(Receipt.__table__).order_by(Receipt.number)).mappings().all()
        actions = connection.execute(select(Action.__table__).order_by(Action.id)).mappings().all()
    return [(receipt, [line for line in actions if line["receipt_id"] == receipt["id"]]) for receipt in receipts]


def head(engine):
    with engine.connect() as connection:
        return connection.execute(select(ChainHead.__table__)).mappings().one()


def assert_whole(engine):
    before = GENESIS
    for number, (receipt, actions) in enumerate(chain(engine), 1):
        assert [line["digest"] for line in actions] == [action_digest(dict(line)) for line in actions]
        assert receipt["root"] == merkle_root([line["digest"] for line in actions])
        assert (receipt["number"], receipt["previous"]) == (number, before)
        assert receipt["digest"] == chained(before, number, receipt_body(dict(receipt)))
        before = receipt["digest"]
    assert head(engine)["digest"] == before


def test_the_database_and_python_agree_on_every_digest(engine, close):
    close(5)
    assert_whole(engine)
    assert [receipt["accounts"] for receipt, _ in chain(engine)] == [2, 2, 1]
    assert (head(engine)["number"], head(engine)["actions"]) == (3, 5)


def test_a_sweep_counts_its_batches_in_their_transactions(engine, close):
    sweep_id = close(5)
    with engine.connect() as connection:
        counted = connection.execute(text("SELECT accounts, batches FROM sweeps WHERE id = :id"), {"id": sweep_id})
        assert counted.one() == (5, 3)


@pytest.mark.parametrize("status", ["queued", "done", "failed"])
def test_no_batch_commits_when_its_sweep_is_not_running(engine, policies, status):
    cutoff = Cutoff.of(policies, PolicyName.COUNTER_ONLY, NOW)
    with engine.begin() as connection:
        an_account(connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN)
        sweep_id = a_sweep(connection, cutoff, NOW)
        ended = None if status == "queued" else NOW
        connection.execute(text("UPDATE sweeps SET status = :status, ended_at = :at"), {"status": status, "at": ended})
    with pytest.raises(SweepStoppedError, match=f"sweep {sweep_id} was stopped"):
        run_batch(engine, policies.counter_only, cutoff, sweep_id=sweep_id, lane=0, limit=2)
    assert chain(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT state FROM accounts")) == "withdrawn"


def test_reading_twice_as_many_small_receipts_is_twice_the_work(engine):
    with damaging(engine) as connection:
        a_long_log(connection, [1] * 200, actions=1, account_id=1)
    judged = {}
    for last in (100, 200):
        with snapshot(engine) as connection, counting_calls([ReceiptRecord.is_well_formed]) as calls:
            assert len(list(entries(connection, 1, last))) == last
        judged[last] = calls.total()
    assert 0 < judged[200] <= 2 * judged[100]


LOGGED_BEFORE = """
WITH asked AS (INSERT INTO sweeps (policy, as_of, cutoff, actor, reason)
               VALUES ('purge', now(), now(), 'beat', 'cron') RETURNING id),
     receipt AS (INSERT INTO receipts (sweep_id, action, accounts, rows, acted_at)
                 SELECT id, 'purge', 3, '{"accounts": 3, "messages": 7}', now() FROM asked RETURNING id, sweep_id)
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id)
SELECT 'purge', n, '2020-01-01 00:00:00.000001+09', '2025-01-02 00:00+09', now(), sweep_id, receipt.id
  FROM receipt, generate_series(1, 3) AS n
"""


def test_what_was_logged_before_there_was_a_chain_is_taken_up_into_it(another_database_url):
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0002")
    with engine.begin() as connection:
        for _ in range(2):
            connection.exec_driver_sql(LOGGED_BEFORE)
    migrate(engine)
    assert_whole(engine)
    assert (head(engine)["number"], head(engine)["actions"]) == (2, 6)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(accounts) FROM sweeps")) == 6
