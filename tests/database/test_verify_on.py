"""A long log is verified from where the last time left off; what was verified before is looked at again, by and by."""

from functools import partial

import pytest
from logs import a_log, unguarded
from sqlalchemy import text
from structlog.testing import capture_logs

from models import PolicyName
from models.errors import Unverified
from tasks.verify import verify
from worker.database import connect

OLD = "UPDATE actions SET account_id = account_id + 1 WHERE id = 2"
NEW = "UPDATE actions SET account_id = account_id + 1 WHERE id = 9"
HEART = "SELECT at FROM heartbeats WHERE source = 'verify'"
AGAIN_SINCE = "SELECT again_since FROM verified_to"


def one(engine, query):
    with engine.connect() as connection:
        return connection.scalar(text(query))


def change(engine, *statements):
    with engine.begin() as connection:
        unguarded(connection, *statements)


@pytest.fixture
def verified(database_url, monkeypatch):
    """Verify by ranges of about one receipt."""
    monkeypatch.setattr("tasks.verify.RANGE_ACTIONS", 1)

    def run(**how):
        return verify(partial(connect, database_url, pooled=False), jobs=1, **how)

    return run


@pytest.fixture
def log(engine, policies, verified):
    """Three receipts, of 3, 3 and 1 accounts, which were verified; then two more, of 3 and 2."""
    a_log(engine, policies, 7)
    assert verified().broken is None
    a_log(engine, policies, 5, policy=PolicyName.PURGE)


@pytest.mark.usefixtures("log")
def test_only_what_is_new_is_looked_at_and_is_told(verified):
    found = verified(again=0)
    assert (found.receipts, found.actions, found.after.number, found.reached.number) == (2, 5, 3, 5)
    found = verified(again=0)
    assert (found.receipts, found.after.number, found.broken) == (0, 5, None)


@pytest.mark.usefixtures("log")
def test_a_change_of_what_is_new_is_found_and_the_place_stays(engine, verified):
    change(engine, NEW)
    for _ in range(2):
        broken = verified(again=0).broken
        assert (broken.kind, broken.receipt, broken.action) == ("changed", 4, 9)


@pytest.mark.usefixtures("log")
def test_a_change_of_what_was_verified_before_is_found_by_a_whole_verification(engine, verified):
    change(engine, OLD)
    assert verified(again=0).broken is None
    broken = verified().broken
    assert (broken.kind, broken.receipt, broken.action) == ("changed", 1, 2)


@pytest.mark.usefixtures("log")
def test_a_log_no_longer_than_what_is_looked_at_again_is_looked_at_as_a_whole(engine, verified):
    assert verified(again=1).broken is None  # and so the second look is beyond what is changed now
    change(engine, OLD)
    assert verified(again=11).broken is None
    assert verified(again=12).broken.receipt == 1


@pytest.mark.usefixtures("log")
def test_the_second_look_comes_round_to_everything(engine, verified):
    assert [verified(again=1).receipts for _ in range(2)] == [3, 1]
    change(engine, "UPDATE actions SET account_id = 0 WHERE receipt_id = (SELECT id FROM receipts WHERE number = 4)")
    assert verified(again=1).broken is None
    assert verified(again=1).broken.receipt == 4


@pytest.mark.usefixtures("log")
def test_the_whole_counts_as_verified_since_the_second_look_at_it_began(engine, verified):
    before = one(engine, HEART)
    assert verified(again=1).receipts == 3
    began = one(engine, AGAIN_SINCE)
    while one(engine, AGAIN_SINCE) is not None:
        assert one(engine, HEART) == before
        verified(again=1)
    assert one(engine, HEART) == began > before


@pytest.mark.usefixtures("log")
def test_a_history_written_anew_is_found_by_what_was_verified_of_the_old(engine, policies, verified):
    change(
        engine,
        "DELETE FROM actions USING receipts WHERE receipt_id = receipts.id AND number > 1",
        "DELETE FROM receipts WHERE number > 1",
        "UPDATE chain_heads SET number = 1, actions = 3, previous = r.previous, digest = r.digest FROM receipts r",
    )
    a_log(engine, policies, 9)
    for how in ({"again": 0}, {}):
        broken = verified(**how).broken
        assert (broken.kind, broken.receipt) == ("changed", 3)


@pytest.mark.parametrize(("names", "again"), [(2000, 0), (0, 1)])
@pytest.mark.usefixtures("log")
def test_an_action_without_a_receipt_is_found_where_one_looks(engine, verified, names, again):
    assert verified(again=0).broken is None
    copied = "action, account_id, event_at, due_at, acted_at, sweep_id"
    change(
        engine,
        f"INSERT INTO actions ({copied}, receipt_id, digest) SELECT {copied}, {names}, digest FROM actions LIMIT 1",
    )
    broken = verified(again=again).broken
    assert (broken.kind, broken.receipt, broken.detail) == (
        "inserted",
        None,
        f"it names the receipt with id {names}, which is not there",
    )


def test_what_is_too_much_for_one_time_is_left_to_the_next(engine, policies, verified):
    a_log(engine, policies, 12)
    reached = [verified(again=0, enough=lambda: True).reached.number for _ in range(4)]
    assert (reached, verified(again=0).receipts) == ([1, 2, 3, 4], 0)
    assert one(engine, HEART) is not None


def test_what_was_counted_wrong_is_found_when_the_end_is_reached(engine, policies, verified):
    a_log(engine, policies, 3)
    assert verified().broken is None
    a_log(engine, policies, 3)
    change(engine, "UPDATE chain_heads SET actions = actions + 1")
    assert verified(again=0).broken.detail == "the chain's head counts 7 actions, the receipts up to there 6"


@pytest.mark.usefixtures("log")
def test_each_minute_the_structured_log_is_told_from_where_to_where(by_hand, engine, policies):
    hand = by_hand()
    with capture_logs() as told:
        for accounts in (0, 4, 2):
            a_log(engine, policies, accounts)
            hand.do("verify")
    ends = [(line["after"], line["head"]) for line in told if line["event"] == "log.verified"]
    assert [after for after, _ in ends[1:]] == [head for _, head in ends[:-1]]
    assert [each.partition(":")[0] for _, each in ends] == ["5", "7", "8"]


@pytest.mark.usefixtures("log")
def test_what_is_found_each_minute_fails_its_task_and_is_told(by_hand, engine):
    change(engine, NEW)
    with capture_logs() as told, pytest.raises(Unverified, match="changed at receipt 4, action 9"):
        by_hand().do("verify")
    assert [(line["kind"], line["receipt"]) for line in told if line["event"] == "log.broken"] == [("changed", 4)]
