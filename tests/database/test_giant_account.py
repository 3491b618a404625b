"""An account too large for every sweep: it goes as a whole, once somebody asks for it, and nobody else waits."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from builders import an_account
from giants import EVENTS, GIANT_TABLES, a_giant, rows_of
from logs import unguarded
from people import people
from processes import until
from sqlalchemy import text
from structlog.testing import capture_logs

from models import PolicyName
from models.errors import NotThereError, Refused, TooLongError, Unavailable, Unverified
from tasks import holds, pauses, quarantine
from tasks.alone import act_alone, conclude_alone
from tasks.explain import explain
from tasks.statements.accounts import lock_account
from tasks.statements.claim import keep_pauses_out
from tasks.transaction import transaction
from tasks.transitions import Credentials

ROWS = 2000
SAYS = {"actor": "mori", "reason": "a million messages"}
MINUTES, MOMENT = timedelta(minutes=5), timedelta(milliseconds=50)
# Stands in the way of a giant's deletion, at every thousandth of its rows.
OBSTACLE = """
CREATE FUNCTION obstacle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER obstacle AFTER DELETE ON {table} FOR EACH ROW WHEN (OLD.id % 1000 = 0)
    EXECUTE FUNCTION obstacle();
"""
TOO_LONG = "RAISE EXCEPTION USING ERRCODE = 'query_canceled'"
GATE = 4711
WAIT = f"PERFORM set_config('lock_timeout', '0', true), pg_advisory_xact_lock_shared({GATE})"
CREDENTIALS = Credentials("taro@example.jp", "open sesame")


def stand_in_the_way(hand, policy, does):
    with hand.runtime.engine.begin() as connection:
        connection.exec_driver_sql(OBSTACLE.format(does=does, table=GIANT_TABLES[policy]).replace("%", "%%"))


ASIDE = """
INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
SELECT :id, 'purge', 3, 'SQLSTATE 57014', now(), now(), now()
"""
JUDGED = """
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, started_at, ended_at, fingerprint)
SELECT 'purge', now(), now(), 'beat', 'tick', 'done', now(), now(), :fingerprint
"""
# Each action is written down with another date than the law's.
A_DAY_LATE = """
CREATE FUNCTION a_day_late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.due_at := NEW.due_at + interval '1 day'; RETURN NEW; END $$;
CREATE TRIGGER a_day_late BEFORE INSERT ON actions FOR EACH ROW EXECUTE FUNCTION a_day_late();
"""
# The first pause meets what a server says that is being shut down; a sequence counts what is undone, too.
AWAY_ONCE = """
CREATE SEQUENCE tries;
CREATE FUNCTION away_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION USING ERRCODE = 'admin_shutdown'; END IF; RETURN NEW; END $$;
CREATE TRIGGER away_once BEFORE INSERT ON pauses FOR EACH ROW EXECUTE FUNCTION away_once();
"""


@pytest.fixture
def set_aside(by_hand):
    """Return a function that makes a giant which a sweep has set aside; returns the deployment and its number."""

    def make(does="NULL"):
        hand = by_hand()
        with hand.runtime.engine.begin() as connection:
            giant = a_giant(connection, "purge", ROWS)
            connection.execute(text(ASIDE), {"id": giant})
            connection.execute(text(JUDGED), {"fingerprint": hand.runtime.policies.purge.fingerprint})
        stand_in_the_way(hand, "purge", does)
        return hand, giant

    return make


def act(hand, giant, patience=MINUTES, **which):
    return act_alone(hand.runtime, giant, **which, **SAYS, patience=patience)


@contextmanager
def shut(engine):
    """Keep a gate shut that a giant's deletion has to pass, and wait on the way out for whoever stands there."""
    with engine.connect() as keeper:
        keeper.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
        yield
        keeper.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})


def somebody_waits(engine):
    waiting = """
        SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    with engine.connect() as connection:
        return connection.scalar(text(waiting))


def remains(hand, giant):
    """Count a giant's rows, its lines in quarantine and its lines in the log."""
    with hand.runtime.engine.connect() as connection:
        counted = rows_of(connection, "purge", giant)
    aside = hand.rows("SELECT 1 FROM quarantine WHERE account_id = :id", id=giant)
    return counted, len(aside), len(hand.rows("SELECT 1 FROM actions WHERE account_id = :id", id=giant))


@pytest.mark.parametrize("policy", ["purge", "counter_only"])
def test_an_account_that_no_sweep_can_finish_is_done_whole_by_who_asks_for_it(by_hand, engine, policy):
    hand, table = by_hand(), GIANT_TABLES[policy]
    with engine.begin() as connection:
        giant = a_giant(connection, policy, ROWS)
        an_account(connection, **EVENTS[policy])
    stand_in_the_way(hand, policy, TOO_LONG)
    assert hand.carry_out(hand.request(policy)).accounts == 1
    hand.run("DROP FUNCTION obstacle CASCADE")
    done = act(hand, giant)
    assert conclude_alone(hand.runtime, done.sweep_id) is None
    assert done.policy == policy
    sweep = hand.row(done.sweep_id)
    assert (sweep.status, sweep.accounts, sweep.actor, sweep.failure) == ("done", 1, "mori", None)
    ((rows,),) = hand.rows("SELECT rows FROM receipts WHERE id = :id", id=done.receipt_id)
    assert rows[table] == ROWS
    assert hand.rows(f"SELECT 1 FROM {table} WHERE account_id = :id", id=giant) == []
    ((action,),) = hand.rows("SELECT action FROM actions WHERE account_id = :id", id=giant)
    assert action == policy
    assert hand.rows("SELECT 1 FROM quarantine") == hand.rows("SELECT 1 FROM planned_accounts") == []
    assert hand.decisions() == [("set_aside", "worker"), ("retried", "mori")]


def test_while_a_giant_goes_nobody_else_waits_and_nobody_sees_half_of_it(set_aside, engine, policies):
    hand, giant = set_aside(does=WAIT)
    person = people(engine, policies)
    other = person.register(CREDENTIALS)
    with engine.begin() as connection:
        due = [an_account(connection, **EVENTS["purge"]) for _ in range(3)]
    acting = Thread(target=act, args=(hand, giant))
    with shut(engine):
        acting.start()
        until(lambda: somebody_waits(engine), "the giant's deletion is under way")
        assert person.log_in(CREDENTIALS) == other
        assert hand.carry_out(hand.request("purge")).accounts == len(due)
        holds.place(engine, other, actor="legal", reason="complaint")
        with pytest.raises(Unavailable, match="somebody else has it"), transaction(engine, lock=MOMENT) as connection:
            connection.execute(lock_account(giant))
        assert remains(hand, giant) == (ROWS, 1, 0)
        assert explain(engine, policies, giant).state == "active"
    acting.join()
    assert remains(hand, giant) == (0, 0, 1)
    assert explain(engine, policies, giant).state == "gone"


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
def test_what_is_broken_off_was_never_there(set_aside, engine, how):
    hand, giant = set_aside(does=WAIT)
    failures = []

    def fail():
        try:
            act(hand, giant)
        except Unavailable as error:
            failures.append(error)

    acting = Thread(target=fail)
    with shut(engine):
        acting.start()
        pid = until(lambda: somebody_waits(engine), "the giant's deletion is under way")
        with engine.connect() as connection:
            connection.execute(text(f"SELECT {how}(:pid)"), {"pid": pid})
        acting.join()
    assert len(failures) == 1
    assert remains(hand, giant) == (ROWS, 1, 0)
    assert {status for _, _, status in hand.sweeps()} == {"done"}
    assert act(hand, giant).policy == "purge"


def test_a_patience_that_is_not_enough_is_said_and_leaves_all_as_it_was(set_aside):
    # So long may the session be idle, too, between two statements, as a busy machine lets it be.
    hand, giant = set_aside(does="PERFORM pg_sleep(4)")
    with pytest.raises(TooLongError):
        act(hand, giant, patience=timedelta(seconds=3))
    assert remains(hand, giant) == (ROWS, 1, 0)


def test_what_a_verification_finds_is_undone_and_stops_the_policy_as_a_sweep_would(set_aside):
    hand, giant = set_aside()
    hand.run(A_DAY_LATE)
    with pytest.raises(Unverified, match=r"sweep \d+ failed, and purge is paused"), capture_logs() as logged:
        act(hand, giant)
    assert remains(hand, giant) == (ROWS, 1, 0)
    *_, (number, policy, status) = hand.sweeps()
    failed = hand.row(number)
    assert (policy, status, failed.accounts, failed.actor) == ("purge", "failed", 0, "mori")
    assert failed.failure.startswith(f"unverified: account {giant} was left as it was: receipt ")
    ((paused,),) = hand.rows("SELECT reason FROM pauses WHERE policy = 'purge' AND actor = 'worker'")
    assert paused == f"sweep {number} failed: {failed.failure}"
    assert hand.decisions() == [("paused", "worker")]
    (critical,) = [each for each in logged if each["log_level"] == "critical"]
    assert (critical["event"], critical["sweep"], critical["failure"]) == ("sweep.failed", number, failed.failure)
    with pytest.raises(Refused, match="paused by worker"):
        act(hand, giant)


def test_what_is_found_stops_the_policy_also_where_the_database_was_away_for_a_moment(set_aside):
    hand, giant = set_aside()
    hand.run(A_DAY_LATE)
    hand.run(AWAY_ONCE)
    with pytest.raises(Unverified, match=r"sweep \d+ failed, and purge is paused"):
        act(hand, giant)
    assert hand.rows("SELECT policy, actor FROM pauses") == [("purge", "worker")]
    assert hand.rows("SELECT status, count(*) FROM sweeps WHERE actor = 'mori' GROUP BY status") == [("failed", 1)]


def test_who_does_not_wait_for_a_database_that_is_away_is_told_what_was_found_all_the_same(set_aside, monkeypatch):
    def interrupted(_seconds):
        raise KeyboardInterrupt

    hand, giant = set_aside()
    hand.run(A_DAY_LATE)
    monkeypatch.setattr("tasks.alone.sleep", interrupted)
    with pytest.raises(Unverified, match=r"another due instant than the law.*whether purge is paused"):
        act(hand, giant)


def test_what_is_found_after_the_commit_fails_the_sweep_and_stops_the_policy(set_aside, engine):
    hand, giant = set_aside()
    done = act(hand, giant)
    with engine.begin() as connection:
        unguarded(connection, "UPDATE actions SET due_at = due_at + interval '1 day'")
    with pytest.raises(Unverified, match=f"sweep {done.sweep_id} failed: unverified: "):
        conclude_alone(hand.runtime, done.sweep_id)
    assert hand.rows("SELECT policy, actor FROM pauses") == [("purge", "worker")]


def test_what_no_clock_can_be_trusted_for_is_left_to_a_worker(set_aside, by_hand):
    hand, giant = set_aside()
    done = act(hand, giant)
    ahead = by_hand(broker_clock=lambda: datetime.now(UTC) + timedelta(days=1))
    assert "clock" in conclude_alone(ahead.runtime, done.sweep_id)
    assert hand.row(done.sweep_id).status == "running"
    assert conclude_alone(hand.runtime, done.sweep_id) is None
    assert hand.row(done.sweep_id).status == "done"


def test_what_somebody_has_paused_meanwhile_is_left_until_it_is_resumed(set_aside):
    hand, giant = set_aside()
    done = act(hand, giant)
    pauses.pause(hand.runtime.engine, PolicyName.PURGE, actor="sato", reason="are these dates right?")
    assert hand.row(done.sweep_id).status == "held"
    assert "it is held" in conclude_alone(hand.runtime, done.sweep_id)
    assert hand.row(done.sweep_id).status == "held"


@pytest.mark.parametrize(
    ("settings", "statement", "told"),
    [
        ({}, "INSERT INTO pauses VALUES ('purge', now(), 'sato', 'are these dates right?')", "paused by sato"),
        ({}, "INSERT INTO holds (account_id, reason, placed_by) SELECT id, '', '' FROM accounts", "is not due"),
        ({}, "UPDATE job_seekings SET invalidated_at = now()", "is not due"),
        ({}, "CREATE TABLE extra (owner bigint REFERENCES accounts)", "table extra refers to accounts"),
        ({}, "UPDATE quarantine SET set_aside_at = NULL", "is not set aside"),
        ({"retention_years": 4}, "", "the last sweep followed"),
        ({"ceiling_accounts": 0}, "", "the absolute ceiling allows 0"),
        ({"ceiling_forecast": 0}, "", "forecast allows 0"),
    ],
)
def test_what_stops_a_sweep_stops_whoever_asks_for_one_account(set_aside, by_hand, settings, statement, told):
    hand, giant = set_aside()
    if statement:
        hand.run(statement)
    with pytest.raises(Refused, match=told):
        act(by_hand(**settings), giant)
    assert remains(hand, giant) == (ROWS, 1, 0)


def test_only_an_account_that_was_set_aside_is_done_alone(by_hand, engine):
    hand = by_hand()
    with engine.begin() as connection:
        ordinary = an_account(connection, **EVENTS["purge"])
    with pytest.raises(NotThereError, match=f"account {ordinary} is not set aside"):
        act(hand, ordinary)
    assert hand.accounts() == [ordinary]


@pytest.fixture
def twice_aside(by_hand, engine):
    """An account that was set aside for both policies, though its window alone is due to be closed."""
    hand = by_hand()
    with engine.begin() as connection:
        giant = a_giant(connection, "counter_only", ROWS)
        for policy in ("purge", "counter_only"):
            connection.execute(text(ASIDE.replace("purge", policy)), {"id": giant})
    return hand, giant


def test_what_to_do_with_an_account_that_is_set_aside_for_both_is_asked_for_and_not_guessed(twice_aside):
    hand, giant = twice_aside
    with pytest.raises(Refused, match=f"account {giant} is set aside for counter_only and purge: .* `--policy`"):
        act(hand, giant)
    with pytest.raises(Refused, match="is not due for purge now"):
        act(hand, giant, policy=PolicyName.PURGE)
    assert act(hand, giant, policy=PolicyName.COUNTER_ONLY).policy == "counter_only"
    assert hand.rows("SELECT policy FROM quarantine") == [("purge",)]


def test_only_what_an_account_is_set_aside_for_can_be_chosen(set_aside):
    hand, giant = set_aside()
    with pytest.raises(NotThereError, match=f"account {giant} is not set aside for counter_only"):
        act(hand, giant, policy=PolicyName.COUNTER_ONLY)
    assert act(hand, giant, policy=PolicyName.PURGE).policy == "purge"


def test_a_pause_does_not_return_while_a_batch_that_nobody_sees_may_still_commit(by_hand, engine):
    hand = by_hand()
    pausing = Thread(target=pauses.pause, args=(hand.runtime.engine, PolicyName.PURGE), kwargs=SAYS)
    with engine.begin() as sealing:
        sealing.execute(keep_pauses_out(PolicyName.PURGE))
        pauses.pause(hand.runtime.engine, PolicyName.COUNTER_ONLY, **SAYS)  # the other policy's is none of its business
        pausing.start()
        until(lambda: somebody_waits(engine), "the pause waits")
        assert hand.rows("SELECT policy FROM pauses") == [("counter_only",), ("purge",)]
    pausing.join()
    assert hand.decisions() == [("paused", "mori")] * 2


def test_trying_again_as_any_other_account_stays_possible(set_aside):
    hand, giant = set_aside()
    assert quarantine.retry(hand.runtime.engine, giant, **SAYS) == [(giant, "purge")]
    assert hand.carry_out(hand.request("purge")).accounts == 1
