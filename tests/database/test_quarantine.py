"""An account that the database will not let the worker act on is set aside; the others go on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import an_account
from celery.exceptions import Retry

from models.errors import Refused, Unavailable
from tasks import batch, quarantine
from tasks.explain import explain

SAYS = {"actor": "mori", "reason": "the table is mended"}
EVENTS = {
    "purge": {"status": "invalid", "invalidated_at": datetime.now(UTC) - timedelta(days=3000)},
    "counter_only": {"state": "withdrawn", "withdrawn_at": datetime.now(UTC) - timedelta(days=45)},
}
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id IN (SELECT id FROM refused) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'not ' || OLD.email, ERRCODE = (SELECT code FROM refused LIMIT 1), TABLE = 'accounts';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TABLE refused (id bigint, code text);
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def population(engine):
    """Insert so many accounts that are due for a policy, of which the database refuses some; returns all numbers."""

    def populate(policy, accounts, bad, code="23514"):
        with engine.begin() as connection:
            numbers = [an_account(connection, **EVENTS[policy]) for _ in range(accounts)]
            connection.exec_driver_sql(REFUSE)
            for position in bad:
                connection.exec_driver_sql("INSERT INTO refused VALUES (%s, %s)", (numbers[position], code))
        return numbers

    return populate


def in_quarantine(hand):
    query = "SELECT account_id, policy, attempts, failure, set_aside_at IS NOT NULL FROM quarantine ORDER BY account_id"
    return [tuple(row) for row in hand.rows(query)]


REFUSED = "the database refused a statement with SQLSTATE 23514 at table accounts"


@pytest.mark.parametrize("policy", ["purge", "counter_only"])
def test_one_bad_account_among_many_is_found_and_set_aside_and_the_others_are_done(by_hand, population, policy):
    hand = by_hand()
    numbers = population(policy, 60, bad=[37])
    done = hand.carry_out(hand.request(policy))
    assert (done.status, done.accounts, done.attempts, done.failure) == ("done", 59, 0, None)
    assert in_quarantine(hand) == [(numbers[37], policy, quarantine.MOST_ATTEMPTS, REFUSED, True)]
    acted = [row.account_id for row in hand.rows("SELECT account_id FROM actions ORDER BY 1")]
    assert acted == numbers[:37] + numbers[38:]
    assert hand.decisions() == [("set_aside", "worker")]
    ((reason, details),) = hand.rows("SELECT reason, details FROM decisions")
    assert (reason, details) == (REFUSED, {"account_id": numbers[37], "attempts": 3})


def test_ten_bad_accounts_at_the_head_block_nobody(by_hand, population):
    hand = by_hand()
    numbers = population("purge", 30, bad=range(10))
    done = hand.carry_out(hand.request("purge"))
    assert (done.status, done.accounts) == ("done", 20)
    assert hand.accounts() == numbers[:10]
    assert [each[0] for each in in_quarantine(hand)] == numbers[:10]


def test_a_failure_that_passes_sets_nobody_aside(by_hand, population):
    hand = by_hand()
    (number,) = population("counter_only", 1, bad=[0])
    sweep_id = hand.request()
    hand.sweep(sweep_id)
    hand.do("drain", sweep_id, 0)
    assert in_quarantine(hand) == [(number, "counter_only", 1, REFUSED, False)]
    hand.run("TRUNCATE refused")
    assert hand.carry_out(sweep_id).accounts == 1


def test_an_account_too_large_for_a_batch_is_done_alone(by_hand, population, engine, monkeypatch):
    monkeypatch.setattr(batch, "TOGETHER", timedelta(milliseconds=300))
    hand = by_hand()
    (large, *_) = population("purge", 12, bad=[0])
    with engine.begin() as connection:
        connection.exec_driver_sql("""
            CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(0.6) FROM refused WHERE id = OLD.id; RETURN OLD; END $$""")
    hand.app.runtime = replace(hand.runtime, drain_seconds=0.2)
    assert hand.carry_out(hand.request("purge")).accounts == 12
    receipts = hand.rows("SELECT array_agg(account_id ORDER BY account_id) AS of FROM actions GROUP BY receipt_id")
    assert [large] in [row.of for row in receipts]
    assert in_quarantine(hand) == []


def test_an_account_too_large_even_alone_is_set_aside(by_hand, population):
    hand = by_hand()
    numbers = population("purge", 12, bad=[5], code="57014")
    assert hand.carry_out(hand.request("purge")).accounts == 11
    ((number, *_, failure, set_aside),) = in_quarantine(hand)
    assert (number, set_aside) == (numbers[5], True)
    assert "longer than it may" in failure


TRANSIENT = {"deadlock": "40P01", "lock timeout": "55P03", "lost connection": "08006", "shutdown": "57P01"}


@pytest.mark.parametrize("code", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_is_no_fault_of_the_data_is_retried_and_never_counts(by_hand, population, code):
    hand = by_hand()
    population("purge", 3, bad=[1], code=code)
    number = hand.request("purge")
    hand.sweep(number)
    for _ in range(quarantine.MOST_ATTEMPTS):
        with pytest.raises(Retry, match=code):
            hand.do("drain", number, 0)
    assert (hand.row(number).status, hand.row(number).attempts, in_quarantine(hand)) == ("running", 0, [])
    assert len(hand.accounts()) == 3
    hand.run("TRUNCATE refused")
    assert hand.carry_out(number).accounts == 3


def test_a_lock_that_somebody_keeps_is_no_reason_to_set_an_account_aside(by_hand, engine):
    hand = by_hand()
    with engine.begin() as connection:
        an_account(connection, **EVENTS["purge"])
    number = hand.request("purge")
    hand.sweep(number)
    with engine.connect() as somebody:
        somebody.exec_driver_sql("LOCK TABLE saved_jobs")
        with pytest.raises(Unavailable, match="somebody else has it"):
            hand.app.tasks["retention.drain"].apply((number, 0), throw=True, retries=5)
    assert in_quarantine(hand) == []
    assert hand.carry_out(number).status == "done"


def test_who_was_set_aside_is_left_alone_until_somebody_asks_to_try_again(by_hand, population):
    hand = by_hand()
    (number,) = population("purge", 1, bad=[0])
    hand.carry_out(hand.request("purge"))
    hand.run("TRUNCATE refused")
    untouched = hand.carry_out(hand.request("purge"))
    assert (untouched.status, untouched.accounts, untouched.due) == ("done", 0, 0)
    engine = hand.runtime.engine
    with pytest.raises(Refused, match=f"account {number + 1} is not in quarantine"):
        quarantine.retry(engine, number + 1, **SAYS)
    assert quarantine.retry(engine, number, **SAYS) == [(number, "purge")]
    assert in_quarantine(hand) == []
    assert hand.carry_out(hand.request("purge")).accounts == 1
    assert hand.decisions() == [("set_aside", "worker"), ("retried", "mori")]


def test_all_are_tried_again_at_once_and_who_is_still_refused_is_set_aside_again(by_hand, population):
    hand = by_hand()
    first, second, _ = population("purge", 3, bad=[0, 1])
    hand.carry_out(hand.request("purge"))
    hand.run("DELETE FROM refused WHERE id = :id", id=first)
    assert quarantine.retry(hand.runtime.engine, None, **SAYS) == [(first, "purge"), (second, "purge")]
    assert hand.carry_out(hand.request("purge")).accounts == 1
    assert [each[0] for each in in_quarantine(hand)] == [second]


def test_quarantine_of_one_policy_keeps_the_other_from_nothing_and_goes_with_the_account(by_hand, population):
    hand = by_hand()
    population("counter_only", 1, bad=[0])
    hand.carry_out(hand.request("counter_only"))
    assert len(in_quarantine(hand)) == 1
    hand.run("TRUNCATE refused")
    hand.run("UPDATE job_seekings SET status = 'invalid', invalidated_at = now() - interval '3000 days'")
    assert hand.carry_out(hand.request("purge")).accounts == 1
    assert (hand.accounts(), in_quarantine(hand)) == ([], [])
    ((rows,),) = hand.rows("SELECT rows FROM receipts WHERE action = 'purge'")
    assert rows["quarantine"] == 1


def test_explain_says_that_an_account_is_set_aside_and_why(by_hand, population, policies):
    hand = by_hand()
    (number,) = population("purge", 1, bad=[0])
    assert explain(hand.runtime.engine, policies, number).prevented["purge"] == []
    hand.carry_out(hand.request("purge"))
    prevented = explain(hand.runtime.engine, policies, number).prevented
    assert prevented == {
        "purge": [f"set aside after failures: {REFUSED}"],
        "counter_only": ["the account is active"],
    }


def test_no_personal_data_is_written_down_about_a_failure(by_hand, population, capsys):
    hand = by_hand()
    population("purge", 2, bad=[0])
    hand.carry_out(hand.request("purge"))
    written = str([hand.rows(f"SELECT * FROM {table}") for table in ("quarantine", "decisions", "sweeps")])
    assert "seeker" not in written
    assert "23514" in written
    assert "seeker" not in capsys.readouterr().out
