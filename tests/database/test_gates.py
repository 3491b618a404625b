"""Gates on a real database: what holds a sweep, what a person then can do, and that nothing is touched until then."""

import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from queue import Empty

import pytest
from actor import Actor
from builders import a_hold, an_account
from clock import DatabaseClock
from people import people
from structlog.testing import capture_logs

from models import PolicyName
from models.errors import Refused, SweepStoppedError, Unavailable
from tasks import control, pauses
from tasks.batch import run_batch
from tasks.finish import give_up
from tasks.gates import judge
from tasks.open_sweep import open_sweep
from tasks.rules.gate import Gate, Stop
from tasks.statements.claim import keep_pauses_out
from tasks.statements.control import hold_sweep
from tasks.transitions import Credentials

SAYS = {"actor": "sato", "reason": "r"}
LONG = timedelta(days=45)
YEARS = timedelta(days=3000)
# 10:00 in Tokyo.
DAY = datetime(2027, 3, 10, 1, tzinfo=UTC)

# The database is shut down at that moment.
NO_PAUSE = """
CREATE FUNCTION no_pause() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION USING ERRCODE = 'admin_shutdown'; END $$;
CREATE TRIGGER no_pause BEFORE INSERT ON pauses FOR EACH ROW EXECUTE FUNCTION no_pause();
"""


def closable(engine, accounts=1, at=None):
    """Accounts whose window is to be closed, by default since long ago; returns their numbers."""
    at = at or datetime.now(UTC) - LONG
    with engine.begin() as connection:
        return [an_account(connection, state="withdrawn", withdrawn_at=at) for _ in range(accounts)]


def purgeable(engine, accounts=1):
    at = datetime.now(UTC) - YEARS
    with engine.begin() as connection:
        return [an_account(connection, status="invalid", invalidated_at=at) for _ in range(accounts)]


def ordinary(engine, accounts):
    with engine.begin() as connection:
        return [an_account(connection) for _ in range(accounts)]


def reasons(row):
    return [(stop["gate"], stop["numbers"]) for stop in row.held_for]


def closed(hand):
    return hand.accounts("state = 'counter_only'")


@pytest.mark.parametrize(
    ("settings", "ceiling"),
    [({"ceiling_accounts": 2}, "accounts"), ({"ceiling_share": 0.2, "ceiling_floor": 0}, "share")],
)
def test_a_sweep_above_a_ceiling_is_held_with_the_numbers_and_one_at_it_goes_on(by_hand, engine, settings, ceiling):
    hand = by_hand(**settings)
    closable(engine, 2)
    ordinary(engine, 8)
    assert hand.carry_out(hand.request()).status == "done"
    closable(engine, 3)
    held = hand.carry_out(hand.request())
    assert held.status == "held"
    assert reasons(held) == [("ceiling", {"ceiling": ceiling, "allowed": 2, "accounts": 3})]
    assert len(closed(hand)) == 2
    assert hand.decisions(held.id) == [("held", "worker")]


@pytest.mark.parametrize("setting", ["ceiling_accounts", "ceiling_share", "ceiling_forecast"])
def test_a_ceiling_of_zero_lets_no_account_be_touched_and_an_empty_sweep_end(by_hand, engine, setting):
    hand = by_hand(**{setting: 0})
    assert hand.carry_out(hand.request("purge")).status == "done"
    purgeable(engine)
    held = hand.carry_out(hand.request("purge"))
    assert [(gate, numbers["ceiling"], numbers["allowed"]) for gate, numbers in reasons(held)] == [
        ("ceiling", setting.removeprefix("ceiling_"), 0)
    ]
    assert hand.accounts() == [1]


def test_what_a_sweep_has_deleted_itself_still_counts_as_there(by_hand, engine):
    """Or its share of all accounts would shrink with each batch, until it is held."""
    hand = by_hand(ceiling_share=0.5, ceiling_floor=0, batch_accounts=4)
    purgeable(engine, 5)
    ordinary(engine, 5)
    number = hand.request("purge")
    hand.sweep(number)
    _, cutoff = open_sweep(hand.runtime, number)
    run_batch(engine, hand.runtime.policies.purge, cutoff, sweep_id=number, lane=0, limit=4)
    hand.run("UPDATE sweeps SET status = 'queued'")
    row = hand.carry_out(number)
    assert (row.status, row.accounts, row.due, row.allowed) == ("done", 5, 5, 5)


def test_what_a_sweep_has_moved_itself_is_there_and_counts_once(by_hand, engine):
    hand = by_hand(ceiling_share=0.5, ceiling_floor=0, batch_accounts=2)
    closable(engine, 3)
    ordinary(engine, 3)
    number = hand.request()
    hand.sweep(number)
    _, cutoff = open_sweep(hand.runtime, number)
    run_batch(engine, hand.runtime.policies.counter_only, cutoff, sweep_id=number, lane=0, limit=2)
    hand.run("UPDATE sweeps SET status = 'queued'")
    assert hand.sweep(number).allowed == 3


def test_a_sweep_that_meets_more_than_was_counted_for_passes_the_gates_again_and_goes_on(by_hand, engine):
    """A share is counted until it allows twice what was due, not to its end."""
    hand = by_hand(ceiling_share=0.5, ceiling_floor=0)
    closable(engine, 1)
    ordinary(engine, 20)
    number = hand.request()
    assert hand.sweep(number).allowed == 2
    closable(engine, 3)
    row = hand.carry_out(number)
    assert (row.status, row.accounts, row.allowed) == ("done", 4, 8)


def test_a_sweep_that_meets_more_than_its_ceiling_while_it_runs_is_held_before_the_batch_that_would_exceed_it(
    by_hand, engine
):
    hand = by_hand(ceiling_accounts=5, ceiling_share=1, batch_accounts=2)
    closable(engine, 4)
    number = hand.request()
    assert hand.sweep(number).allowed == 5
    closable(engine, 3)
    held = hand.carry_out(number)
    # The size of a batch follows the clock.
    assert (held.status, held.accounts) in [("held", 4), ("held", 5)]
    assert reasons(held) == [("ceiling", {"ceiling": "accounts", "allowed": 5, "accounts": 7})]
    assert len(closed(hand)) == held.accounts
    assert hand.rows("SELECT sum(accounts) FROM receipts") == [(held.accounts,)]
    control.approve(engine, number, **SAYS)
    done = hand.carry_out(number)
    assert (done.status, done.accounts, done.planned) == ("done", 7, 7 - held.accounts)


def test_an_approved_sweep_acts_on_its_plan_and_leaves_who_came_later_or_came_back(by_hand, engine, policies):
    hand = by_hand(ceiling_accounts=1)
    first, second, third = closable(engine, 3)
    number = hand.request()
    held = hand.sweep(number)
    digest = sha256(f"{first},{second},{third}".encode()).digest()
    assert (held.planned, held.planned_digest) == (3, digest)
    (later,) = closable(engine)
    hand.run("UPDATE accounts SET state = 'active', withdrawn_at = NULL WHERE id = :id", id=first)
    assert hand.sweep(number).planned == 3, "judged again, the plan stays what was shown"
    control.approve(engine, number, **SAYS)
    done = hand.carry_out(number)
    assert (done.status, done.accounts) == ("done", 2)
    assert closed(hand) == [second, third]
    assert hand.accounts("state = 'withdrawn'") == [later]
    ((details,),) = hand.rows("SELECT details FROM decisions WHERE kind = 'approved'")
    assert (details["accounts"], details["digest"]) == (3, digest.hex())
    assert (details["cutoff"], details["fingerprint"]) == (held.cutoff.isoformat(), policies.counter_only.fingerprint)
    assert details["held_for"] == held.held_for
    assert closed(hand) + hand.accounts("state = 'withdrawn'") == [second, third, later]
    assert hand.carry_out(hand.request()).status == "done", "the one that waited comes with the next sweep"
    assert closed(hand) == [second, third, later]


@pytest.mark.parametrize("actor", ["mori", "MORI", " Mori "])
def test_who_asked_for_a_sweep_by_hand_does_not_approve_it(by_hand, engine, actor):
    hand = by_hand(ceiling_accounts=0)
    closable(engine)
    number = hand.request(actor="mori")
    hand.sweep(number)
    with pytest.raises(Refused, match="somebody else has to approve it"):
        control.approve(engine, number, actor=actor, reason="r")
    assert hand.row(number).status == "held"
    control.approve(engine, number, actor="sato", reason="r")
    assert hand.carry_out(number).status == "done"


def test_a_decision_is_refused_where_there_is_nothing_to_decide(by_hand, engine):
    hand = by_hand(ceiling_accounts=0)
    for decide in (control.approve, control.reject):
        with pytest.raises(Refused, match="there is no sweep 1"):
            decide(engine, 1, **SAYS)
    number = hand.request()
    for decide in (control.approve, control.reject):
        with pytest.raises(Refused, match="is not held, it is queued"):
            decide(engine, number, **SAYS)
    closable(engine)
    hand.sweep(number)
    control.reject(engine, number, **SAYS)
    for decide in (control.approve, control.reject):
        with pytest.raises(Refused, match="is not held, it is rejected"):
            decide(engine, number, **SAYS)
    assert hand.decisions(number) == [("held", "worker"), ("rejected", "sato")]


def test_a_plan_that_is_not_written_down_yet_cannot_be_approved(by_hand, engine):
    hand = by_hand()
    number = hand.request()
    stop = Stop(Gate.CEILING, "too many", needs_approval=True)
    with engine.begin() as connection:
        connection.execute(hold_sweep(hand.row(number), [stop]))
    with pytest.raises(Refused, match="not written down yet"):
        control.approve(engine, number, **SAYS)
    hand.sweep(number)
    control.approve(engine, number, **SAYS)
    assert hand.row(number).planned == 0


@pytest.fixture
def portions(monkeypatch):
    """Plans are written down two accounts at a time, and one time at a minute."""
    monkeypatch.setattr(control, "PORTION", 2)
    monkeypatch.setattr(sys.modules["tasks.sweep"], "FREEZE_SECONDS", 0)


@pytest.mark.usefixtures("portions")
@pytest.mark.parametrize("accounts", [closable, purgeable])
@pytest.mark.parametrize("written", [[2, 4, 5], [2, 4], [1]])
def test_a_large_plan_is_written_down_a_portion_a_minute_and_approved_only_when_it_is_whole(
    by_hand, engine, accounts, written
):
    hand = by_hand(ceiling_accounts=0)
    due = written[-1]
    numbers = accounts(engine, due)
    number = hand.request("counter_only" if accounts is closable else "purge")
    for so_far in written:
        assert hand.sweep(number).planned is None
        assert hand.rows("SELECT count(*) FROM planned_accounts") == [(so_far,)]
        with pytest.raises(Refused, match="not written down yet"):
            control.approve(engine, number, **SAYS)
    digest = sha256(",".join(map(str, numbers)).encode()).digest()
    held = hand.sweep(number)
    assert (held.planned, held.planned_digest) == (due, digest)
    accounts(engine)
    assert hand.sweep(number).planned == due, "what is whole is not added to"
    control.approve(engine, number, **SAYS)
    assert hand.carry_out(number).accounts == due
    assert hand.rows("SELECT account_id FROM actions ORDER BY 1") == [(each,) for each in numbers]


@pytest.mark.usefixtures("portions")
def test_an_account_whose_date_is_mended_while_a_plan_is_written_down_is_in_it_once(by_hand, engine):
    hand = by_hand(ceiling_accounts=0)
    first, *_ = numbers = [*closable(engine, 3), *closable(engine, 1, datetime.now(UTC) - LONG + timedelta(days=1))]
    number = hand.request()
    hand.sweep(number)
    hand.run("UPDATE accounts SET withdrawn_at = withdrawn_at + interval '2 days' WHERE id = :id", id=first)
    for _ in range(3):
        held = hand.sweep(number)
    assert held.planned == len(numbers)


@pytest.mark.usefixtures("portions")
def test_a_sweep_that_goes_on_by_itself_forgets_a_plan_that_was_begun(by_hand, engine):
    hand = by_hand(ceiling_accounts=0)
    closable(engine, 5)
    number = hand.request()
    hand.sweep(number)
    assert hand.rows("SELECT count(*) FROM planned_accounts") == [(2,)]
    with engine.begin() as connection:
        control.free(connection, hand.row(number))
    assert hand.rows("SELECT count(*) FROM planned_accounts") == [(0,)]
    row = hand.row(number)
    assert (row.planned_to_at, row.planned_to) == (None, None), "the next one begins anew"


def test_a_rejected_sweep_touches_nothing_and_keeps_no_plan(by_hand, engine):
    hand = by_hand(ceiling_accounts=0)
    purgeable(engine, 2)
    number = hand.request("purge")
    hand.sweep(number)
    control.reject(engine, number, **SAYS)
    assert hand.carry_out(number).status == "rejected"
    assert hand.accounts() == [1, 2]
    assert hand.rows("SELECT * FROM planned_accounts") == []


@pytest.mark.parametrize("decide", [control.approve, control.reject])
def test_what_was_judged_before_a_person_decided_does_not_overrule_the_person(by_hand, engine, decide):
    hand = by_hand(ceiling_accounts=0)
    closable(engine)
    number = hand.request()
    before, cutoff = open_sweep(hand.runtime, number)
    verdict = judge(hand.runtime, before, cutoff)
    hand.sweep(number)
    decide(engine, number, **SAYS)
    control.hold(engine, before, verdict.stops)
    assert hand.row(number).status in ("rejected", "queued") != "held"
    if decide is control.approve:
        assert hand.carry_out(number).status == "done"


@pytest.mark.parametrize("cause", ["ceiling", "policy change"])
def test_that_fewer_are_due_frees_no_sweep_that_waits_for_a_person(by_hand, engine, cause):
    if cause == "ceiling":
        hand = by_hand(ceiling_accounts=1)
    else:
        before = by_hand()
        before.carry_out(before.request())
        hand = by_hand(reactivation_days=3)
    first, second = closable(engine, 2, at=datetime.now(UTC) - timedelta(days=10 if cause != "ceiling" else 40))
    number = hand.request()
    assert hand.sweep(number).status == "held"
    with engine.begin() as connection:
        a_hold(connection, first)
        a_hold(connection, second)
    assert hand.sweep(number).status == "held"
    control.approve(engine, number, **SAYS)
    assert hand.carry_out(number).accounts == 0


@pytest.mark.parametrize("policy", ["purge", "counter_only"])
def test_a_pause_waits_for_a_batch_under_way_and_then_no_batch_commits(by_hand, engine, database_url, policy):
    hand = by_hand()
    purgeable(engine, 2)
    closable(engine, 2)
    number = hand.request(policy)
    hand.sweep(number)
    _, cutoff = open_sweep(hand.runtime, number)

    def a_batch(engine):
        return run_batch(engine, hand.runtime.policies[policy], cutoff, sweep_id=number, lane=0, limit=1)

    batch = Actor(database_url, a_batch, stops=True).is_stopped()
    pausing = Actor(database_url, lambda engine: pauses.pause(engine, cutoff.policy, **SAYS)).is_waiting(engine)
    assert batch.outcome().accounts == 1
    assert pausing.outcome() is None
    with pytest.raises(SweepStoppedError):
        a_batch(engine)
    held = hand.carry_out(number)
    assert (held.status, held.accounts) == ("held", 1)
    assert reasons(held) == [("pause", SAYS)]
    assert pauses.resume(engine, cutoff.policy, **SAYS) == [number]
    assert (hand.carry_out(number).status, hand.row(number).accounts) == ("done", 2)
    assert hand.decisions() == [("paused", "sato"), ("resumed", "sato"), ("freed", "worker")]


def test_a_batch_that_was_judged_before_the_pause_and_counts_itself_after_it_is_undone(by_hand, engine):
    """Whatever the sweep's status says: the pause alone is enough."""
    hand = by_hand()
    closable(engine)
    number = hand.request()
    hand.sweep(number)
    _, cutoff = open_sweep(hand.runtime, number)
    hand.run("INSERT INTO pauses VALUES ('counter_only', now(), 'sato', 'r')")
    with pytest.raises(SweepStoppedError):
        run_batch(engine, hand.runtime.policies.counter_only, cutoff, sweep_id=number, lane=0, limit=1)
    assert closed(hand) == []


def test_a_pause_that_cannot_wait_for_a_batch_is_in_force_all_the_same_and_says_so(
    by_hand, engine, database_url, monkeypatch
):
    hand = by_hand()
    closable(engine, 2)
    number = hand.request()
    hand.sweep(number)
    _, cutoff = open_sweep(hand.runtime, number)

    def a_batch(engine):
        return run_batch(engine, hand.runtime.policies.counter_only, cutoff, sweep_id=number, lane=0, limit=1)

    batch = Actor(database_url, a_batch, stops=True).is_stopped()
    monkeypatch.setattr(pauses, "BATCH_PATIENCE", timedelta(milliseconds=50))
    with pytest.raises(Unavailable, match="counter_only is paused, but a batch under way"):
        pauses.pause(engine, cutoff.policy, **SAYS)
    assert batch.outcome().accounts == 1
    with pytest.raises(SweepStoppedError):
        a_batch(engine)
    assert hand.carry_out(number).status == "held"


@pytest.mark.parametrize("findings", ["one", "receipt 1: 1 rows of purged accounts are left in a table; " * 20])
def test_a_sweep_that_a_verification_failed_leaves_its_policy_paused(by_hand, engine, findings):
    hand = by_hand()
    closable(engine)
    row = hand.sweep(hand.request())
    give_up(engine, row, findings)
    assert hand.row(row.id).failure == f"unverified: {findings}"
    ((paused,),) = hand.rows("SELECT reason FROM pauses WHERE policy = 'counter_only' AND actor = 'worker'")
    assert paused == f"sweep {row.id} failed: unverified: {findings}"[:1000]


def test_no_sweep_is_failed_by_a_verification_while_its_policy_cannot_be_paused(by_hand, engine):
    hand = by_hand()
    closable(engine)
    row = hand.sweep(hand.request())
    hand.run(NO_PAUSE)
    with pytest.raises(Unavailable), capture_logs() as logged:
        give_up(engine, row, "found by a test")
    assert (hand.row(row.id).status, logged) == ("running", [])
    hand.run("DROP FUNCTION no_pause CASCADE")
    with capture_logs() as logged:
        give_up(engine, row, "found by a test")
    assert hand.row(row.id).status == "failed"
    (critical,) = [each for each in logged if each["log_level"] == "critical"]
    assert (critical["event"], critical["failure"]) == ("sweep.failed", "unverified: found by a test")
    assert hand.decisions() == [("paused", "worker")]


def test_a_verification_that_fails_during_a_long_batch_pauses_the_policy_and_goes_on(by_hand, engine, monkeypatch):
    hand = by_hand()
    closable(engine)
    row = hand.sweep(hand.request())
    monkeypatch.setattr(pauses, "BATCH_PATIENCE", timedelta(milliseconds=50))
    with engine.begin() as sealing:
        sealing.execute(keep_pauses_out(PolicyName.COUNTER_ONLY))
        give_up(engine, row, "found by a test")
    assert hand.row(row.id).status == "failed"
    assert hand.rows("SELECT policy FROM pauses") == [("counter_only",)]


def test_a_verification_that_fails_while_somebody_has_paused_the_policy_leaves_that_pause(by_hand, engine):
    hand = by_hand()
    closable(engine)
    row = hand.sweep(hand.request())
    pauses.pause(engine, PolicyName.COUNTER_ONLY, **SAYS)
    give_up(engine, row, "found by a test")
    assert hand.row(row.id).status == "failed"
    assert hand.rows("SELECT actor, reason FROM pauses") == [("sato", "r")]


def test_a_pause_stops_its_policy_and_not_the_other(by_hand, engine, policies):
    hand = by_hand()
    purgeable(engine)
    closable(engine)
    pauses.pause(engine, policies.purge.name, **SAYS)
    with pytest.raises(Refused, match="is paused already"):
        pauses.pause(engine, policies.purge.name, **SAYS)
    with pytest.raises(Refused, match="is not paused"):
        pauses.resume(engine, policies.counter_only.name, **SAYS)
    assert hand.carry_out(hand.request("counter_only")).status == "done"
    paused = hand.carry_out(hand.request("purge"))
    assert paused.status == "held"
    with pytest.raises(Refused, match=f"sweep {paused.id} goes on by itself when its reason has gone: paused by sato"):
        control.approve(engine, paused.id, **SAYS)
    pauses.resume(engine, policies.purge.name, **SAYS)
    assert hand.carry_out(paused.id).status == "done"
    assert hand.decisions(paused.id) == [("held", "worker"), ("freed", "worker")]


def test_an_approved_sweep_still_waits_while_its_policy_is_paused(by_hand, engine, policies):
    hand = by_hand(ceiling_accounts=0)
    closable(engine)
    pauses.pause(engine, policies.counter_only.name, **SAYS)
    number = hand.request()
    assert [gate for gate, _ in reasons(hand.sweep(number))] == ["pause", "ceiling"]
    pauses.resume(engine, policies.counter_only.name, **SAYS)
    control.approve(engine, number, **SAYS)
    pauses.pause(engine, policies.counter_only.name, **SAYS)
    assert [gate for gate, _ in reasons(hand.sweep(number))] == ["pause"]
    hand.sweep(number)
    pauses.resume(engine, policies.counter_only.name, **SAYS)
    assert hand.carry_out(number).status == "done", "an approved one is not asked about the ceiling again"
    # That it was held by the pause is said by the pause.
    assert hand.decisions(number) == [("held", "worker"), ("approved", "sato"), ("freed", "worker")]


def test_a_pause_that_turns_into_a_ceiling_is_news(by_hand, engine, policies):
    hand = by_hand(ceiling_accounts=0)
    pauses.pause(engine, policies.counter_only.name, **SAYS)
    number = hand.request()
    hand.sweep(number)
    closable(engine)
    pauses.resume(engine, policies.counter_only.name, **SAYS)
    held = hand.sweep(number)
    assert [gate for gate, _ in reasons(held)] == ["ceiling"]
    assert held.planned == 1
    assert hand.decisions(number) == [("held", "worker")] * 2


CHECK_AS = """
ALTER TABLE accounts DROP CONSTRAINT ck_accounts_registration_known,
                     ADD CONSTRAINT ck_accounts_registration_known CHECK ({})
"""
CATALOG = {
    "an unknown table": (
        "CREATE TABLE notes (account_id bigint PRIMARY KEY REFERENCES accounts)",
        "table notes refers to accounts and is unknown",
        "DROP TABLE notes",
    ),
    "a reference without an index": (
        "DROP INDEX ix_messages_account_id",
        "messages.account_id refers to accounts without an index",
        "CREATE INDEX ix_messages_account_id ON messages (account_id)",
    ),
    "a check of the same name that lets everything in": (
        CHECK_AS.format("true"),
        "has the constraint ck_accounts_registration_known as CHECK (true)",
        CHECK_AS.format("registration IN ('online', 'hellowork')"),
    ),
    "a schema of another program": (
        "UPDATE alembic_version SET version_num = '9999'",
        "which this program (at ",
        "UPDATE alembic_version SET version_num = :head",
    ),
}


@pytest.mark.parametrize("fault", CATALOG)
def test_a_catalog_that_is_not_as_it_must_be_holds_until_it_is(by_hand, engine, fault):
    hand = by_hand()
    ((head,),) = hand.rows("SELECT version_num FROM alembic_version")
    breaks, says, mends = CATALOG[fault]
    purgeable(engine)
    hand.run(breaks)
    number = hand.request("purge")
    held = hand.carry_out(number)
    assert (held.status, [stop["gate"] for stop in held.held_for]) == ("held", ["catalog"])
    assert says in held.held_for[0]["detail"]
    with pytest.raises(Refused, match="goes on by itself"):
        control.approve(engine, number, **SAYS)
    assert hand.accounts() == [1]
    hand.run(mends, **({"head": head} if ":head" in mends else {}))
    assert hand.carry_out(number).status == "done"
    assert hand.decisions(number) == [("held", "worker"), ("freed", "worker")]


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it runs"])
@pytest.mark.parametrize("moved", ["'infinity'", "cutoff + interval '2 days'"])
@pytest.mark.parametrize("policy", ["purge", "counter_only"])
def test_a_sweep_whose_cutoff_lies_beyond_the_law_is_held_and_touches_nobody(by_hand, engine, policy, moved, begun):
    hand = by_hand(retention_years=1, reactivation_days=30)
    almost = datetime.now(UTC) - timedelta(days=364 if policy == "purge" else 29)
    with engine.begin() as connection:
        if policy == "purge":
            an_account(connection, status="invalid", invalidated_at=almost)
        else:
            an_account(connection, state="withdrawn", withdrawn_at=almost)
    number = hand.request(policy)
    if begun:
        assert hand.sweep(number).status == "running"
    hand.run(f"UPDATE sweeps SET cutoff = {moved} WHERE id = :id", id=number)
    held = hand.carry_out(number)
    assert (held.status, [stop["gate"] for stop in held.held_for]) == ("held", ["cutoff"])
    assert "the latest that the law allows now" in held.held_for[0]["detail"]
    assert (hand.accounts("state <> 'counter_only'"), held.accounts) == ([1], 0)
    with pytest.raises(Refused, match="goes on by itself"):
        control.approve(engine, number, **SAYS)
    control.reject(engine, number, **SAYS)


def test_no_approval_makes_a_sweep_act_beyond_the_law(by_hand, engine):
    hand = by_hand(ceiling_accounts=0)
    closable(engine)
    number = hand.request()
    assert hand.sweep(number).status == "held"
    hand.run("UPDATE sweeps SET cutoff = 'infinity' WHERE id = :id", id=number)
    control.approve(engine, number, **SAYS)
    held = hand.carry_out(number)
    assert (held.status, [stop["gate"] for stop in held.held_for], closed(hand)) == ("held", ["cutoff"], [])


def test_a_shorter_window_is_held_with_who_is_newly_due_and_a_longer_one_is_not(by_hand, engine):
    before, after = by_hand(reactivation_days=30), by_hand(reactivation_days=3)
    (due_anyway,) = closable(engine)
    assert before.carry_out(before.request()).status == "done"
    (old,) = closable(engine)
    (new,) = closable(engine, at=datetime.now(UTC) - timedelta(days=10))
    held = after.carry_out(after.request())
    rules = (before.runtime.policies.counter_only.fingerprint, after.runtime.policies.counter_only.fingerprint)
    assert reasons(held) == [
        ("policy_change", {"before": rules[0], "now": rules[1], "newly_due": 1, "sample": [new]}),
    ]
    assert (held.planned, closed(after)) == (2, [due_anyway])
    control.approve(engine, held.id, **SAYS)
    assert after.carry_out(held.id).status == "done"
    assert closed(after) == [due_anyway, old, new]
    assert before.carry_out(before.request()).status == "done", "longer: nobody is newly due"


def test_shorter_years_are_held(by_hand, engine):
    before, after = by_hand(), by_hand(retention_years=3)
    before.carry_out(before.request("purge"))
    with engine.begin() as connection:
        an_account(connection, status="invalid", invalidated_at=datetime.now(UTC) - timedelta(days=365 * 4))
    held = after.carry_out(after.request("purge"))
    assert [(gate, numbers["newly_due"]) for gate, numbers in reasons(held)] == [("policy_change", 1)]
    assert after.accounts() == [1]


def test_another_zone_is_held_where_its_day_begins_earlier(by_hand, engine):
    now = datetime.now(UTC)
    zones = [by_hand(timezone=name) for name in ("Asia/Tokyo", "Pacific/Kiritimati")]
    before, after = sorted(zones, key=lambda hand: hand.runtime.policies.counter_only.cutoff(now))
    before.carry_out(before.request())
    closable(engine, at=after.runtime.policies.counter_only.cutoff(now) - timedelta.resolution)
    held = after.carry_out(after.request())
    assert [(gate, numbers["newly_due"]) for gate, numbers in reasons(held)] == [("policy_change", 1)]
    assert closed(after) == []


def test_rules_that_the_program_no_longer_knows_are_held_whoever_is_due(by_hand, engine):
    hand = by_hand()
    hand.carry_out(hand.request())
    hand.run("""UPDATE sweeps SET fingerprint = replace(fingerprint, '"law": 1', '"law": 0')""")
    held = hand.carry_out(hand.request())
    assert [(gate, numbers["newly_due"]) for gate, numbers in reasons(held)] == [("policy_change", None)]
    assert (held.planned, hand.sweep(held.id).status) == (0, "held")


def test_the_first_sweep_ever_has_no_rules_to_differ_from(by_hand, engine):
    closable(engine)
    hand = by_hand(reactivation_days=3)
    assert hand.carry_out(hand.request()).status == "done"


def test_neither_a_rejected_sweep_nor_a_registration_under_new_rules_makes_them_the_old_ones(by_hand, engine):
    before, after = by_hand(), by_hand(reactivation_days=3)
    before.carry_out(before.request())
    first, _ = closable(engine, 2, at=datetime.now(UTC) - timedelta(days=10))
    rejected = after.carry_out(after.request())
    control.reject(engine, rejected.id, **SAYS)
    ((email,),) = after.rows("SELECT email FROM accounts WHERE id = :id", id=first)
    people(engine, after.runtime.policies).register(Credentials(email, "open sesame"))
    assert closed(after) == [first]
    held = after.carry_out(after.request())
    assert [(gate, numbers["newly_due"]) for gate, numbers in reasons(held)] == [("policy_change", 1)]


def test_a_worker_under_other_rules_leaves_a_sweep_to_one_under_those_it_was_asked_for(by_hand, engine):
    mine, yours = by_hand(), by_hand(reactivation_days=3)
    closable(engine)
    number = mine.request()
    held = yours.carry_out(number)
    assert [(stop["gate"], stop["needs_approval"]) for stop in held.held_for] == [("policy_change", False)]
    assert closed(yours) == []
    assert mine.carry_out(number).status == "done"


@pytest.fixture
def clock(engine):
    return DatabaseClock(engine)


def windows_closing(engine, day, accounts):
    """Accounts whose window closes as a local day begins: withdrawn at noon of 31 days before."""
    at = day.replace(hour=3) - timedelta(days=31)
    return closable(engine, accounts, at=at)


FORECAST = {"any_clock": True, "ceiling_floor": 0, "ceiling_share": 1, "ceiling_forecast": 2}


@pytest.mark.parametrize(("due", "status"), [(6, "done"), (7, "held")])
def test_a_sweep_is_compared_with_what_was_forecast_for_it_the_day_before(by_hand, engine, clock, due, status):
    hand = by_hand(**FORECAST)
    tomorrow = DAY + timedelta(days=1)
    clock.set(DAY)
    hand.carry_out(hand.request())
    windows_closing(engine, tomorrow, 3)
    hand.do("measure")
    clock.set(tomorrow)
    windows_closing(engine, tomorrow, due - 3)
    hand.do("measure")
    swept = hand.carry_out(hand.request())
    assert swept.status == status
    if status == "held":
        assert reasons(swept) == [("ceiling", {"ceiling": "forecast", "allowed": 6, "accounts": 7})]
        assert closed(hand) == []


def test_the_forecast_that_was_made_last_before_the_day_counts_for_all_days_since_the_last_sweep(
    by_hand, engine, clock
):
    hand = by_hand(**FORECAST | {"ceiling_forecast": 1})
    clock.set(DAY)
    hand.carry_out(hand.request())
    windows_closing(engine, DAY + timedelta(days=1), 2)
    windows_closing(engine, DAY + timedelta(days=2), 1)
    hand.do("measure")
    clock.set(DAY + timedelta(days=1))
    windows_closing(engine, DAY + timedelta(days=2), 3)
    hand.do("measure")
    clock.set(DAY + timedelta(days=2))
    windows_closing(engine, DAY + timedelta(days=2), 1)
    assert reasons(hand.carry_out(hand.request())) == [
        ("ceiling", {"ceiling": "forecast", "allowed": 6, "accounts": 7}),
    ]


def test_a_day_that_nobody_foresaw_is_expected_to_bring_nobody(by_hand, engine, clock):
    hand = by_hand(**FORECAST)
    clock.set(DAY)
    hand.carry_out(hand.request())
    windows_closing(engine, DAY + timedelta(days=3), 2)
    windows_closing(engine, DAY + timedelta(days=10), 3)
    hand.do("measure")
    clock.set(DAY + timedelta(days=12))
    assert reasons(hand.carry_out(hand.request())) == [
        ("ceiling", {"ceiling": "forecast", "allowed": 4, "accounts": 5}),
    ]


@pytest.mark.parametrize("known", ["no sweep was ever done", "no forecast was ever made"])
def test_a_deployment_that_has_just_begun_is_not_judged_by_a_forecast(by_hand, engine, clock, known):
    hand = by_hand(**FORECAST)
    clock.set(DAY)
    if known == "no sweep was ever done":
        hand.do("measure")
    else:
        hand.carry_out(hand.request())
    clock.set(DAY + timedelta(days=1))
    windows_closing(engine, DAY, 5)
    assert hand.carry_out(hand.request()).status == "done"
    assert len(closed(hand)) == 5


TICKING = {"any_clock": True, "counter_only_cron": "* * * * *", "purge_cron": "0 0 1 1 *"}
MINUTE = timedelta(minutes=1)


def ticks(hand):
    """The counter-only sweeps that a cron asked for: (number, tick, status)."""
    query = "SELECT id, tick, status FROM sweeps WHERE policy = 'counter_only' AND tick IS NOT NULL ORDER BY id"
    return [tuple(row) for row in hand.rows(query)]


def test_no_further_tick_is_claimed_while_one_is_held_and_then_only_the_latest(by_hand, engine, clock):
    hand = by_hand(**TICKING, ceiling_accounts=0)
    clock.set(DAY)
    closable(engine, at=DAY - LONG)
    hand.do("dispatch")
    ((number, _, _),) = ticks(hand)
    hand.sweep(number)
    clock.set(DAY + 5 * MINUTE)
    hand.do("dispatch")
    assert ticks(hand) == [(number, DAY, "held")]
    control.reject(engine, number, **SAYS)
    hand.do("dispatch")
    hand.do("dispatch")
    _, (next_number, tick, _) = ticks(hand)
    assert tick == DAY + 5 * MINUTE
    hand.sweep(next_number)
    control.approve(engine, next_number, **SAYS)
    assert hand.carry_out(next_number).accounts == 1
    clock.set(DAY + 9 * MINUTE)
    hand.do("dispatch")
    assert ticks(hand)[2:][0][1:] == (DAY + 9 * MINUTE, "queued")


def test_a_clock_days_ahead_holds_what_it_asked_for_which_ends_when_the_clock_is_right(by_hand, engine, clock):
    """Whatever else holds it: a sweep of a day to come is nothing to approve."""
    hand = by_hand(**TICKING | {"any_clock": False, "ceiling_accounts": 0})
    now = datetime.now(UTC)
    clock.set(now + timedelta(days=2), speed=1)
    closable(engine, at=now - timedelta(days=30))
    hand.do("dispatch")
    ((number, tick, _),) = ticks(hand)
    assert tick > now + timedelta(days=1)
    held = hand.sweep(number)
    assert [numbers.get("clock") for gate, numbers in reasons(held) if gate == "clock"] == ["this worker", "the broker"]
    clock.set(now, speed=1)
    assert hand.sweep(number).status == "rejected"
    assert hand.decisions(number) == [("held", "worker"), ("rejected", "worker")]
    hand.do("dispatch")
    _, (next_number, tick, _) = ticks(hand)
    assert tick <= datetime.now(UTC)
    assert hand.carry_out(next_number).status == "done", "what the wrong clock showed was never trusted"
    assert closed(hand) == []


def trusted(hand):
    return [row.at for row in hand.rows("SELECT at FROM heartbeats WHERE source = 'clock'")]


def trust(hand, shift):
    hand.run("DELETE FROM heartbeats WHERE source = 'clock'")
    hand.run("INSERT INTO heartbeats VALUES ('clock', now() + CAST(:shift AS interval))", shift=shift)


def test_a_broker_whose_clock_is_off_holds_and_a_right_one_frees(by_hand, engine):
    wrong = by_hand(broker_clock=lambda: datetime.now(UTC) - timedelta(minutes=10))
    right = by_hand()
    closable(engine)
    number = wrong.request()
    held = wrong.carry_out(number)
    assert [numbers["clock"] for _, numbers in reasons(held)] == ["the broker"]
    with pytest.raises(Refused, match="goes on by itself when its reason has gone: the clock of the broker is -600 s"):
        control.approve(engine, number, **SAYS)
    wrong.do("dispatch")
    assert trusted(wrong) == []
    assert closed(wrong) == []
    assert right.carry_out(number).status == "done"
    right.do("dispatch")
    assert len(trusted(right)) == 1


@pytest.mark.parametrize("shift", ["-8 days", "1 hour"], ids=["a long down time", "behind what it has shown"])
def test_a_clock_that_jumped_is_trusted_again_once_a_person_says_so(by_hand, engine, shift):
    hand = by_hand()
    trust(hand, shift)
    (before,) = trusted(hand)
    closable(engine)
    number = hand.request()
    held = hand.carry_out(number)
    assert [(stop["gate"], stop["needs_approval"]) for stop in held.held_for] == [("clock", True)]
    hand.do("dispatch")
    assert trusted(hand) == [before], "no dispatch makes it good by itself"
    other = hand.request("purge")
    assert hand.sweep(other).status == "held"
    control.approve(engine, number, **SAYS)
    assert abs(trusted(hand)[0] - datetime.now(UTC)) < MINUTE
    assert (hand.carry_out(number).status, closed(hand)) == ("done", [1])
    assert hand.carry_out(other).status == "done", "one decision is enough for the clock"
    assert hand.decisions(other) == [("held", "worker"), ("freed", "worker")]
    assert hand.row(other).planned is None


def test_a_clock_that_catches_up_with_what_it_has_shown_frees_by_itself(by_hand, engine):
    hand = by_hand()
    trust(hand, "1 hour")
    closable(engine)
    number = hand.request()
    assert hand.carry_out(number).planned == 1
    trust(hand, "0")
    assert hand.carry_out(number).status == "done"
    assert hand.row(number).planned is None
    assert hand.decisions(number) == [("held", "worker"), ("freed", "worker")]
    assert hand.rows("SELECT * FROM planned_accounts") == []


def test_approving_a_ceiling_while_clocks_disagree_trusts_no_clock_and_touches_nothing(by_hand, engine):
    hand = by_hand(ceiling_accounts=0, broker_clock=lambda: datetime.now(UTC) - timedelta(minutes=10))
    closable(engine)
    number = hand.request()
    assert [gate for gate, _ in reasons(hand.carry_out(number))] == ["clock", "ceiling"]
    control.approve(engine, number, **SAYS)
    assert trusted(hand) == []
    assert [gate for gate, _ in reasons(hand.carry_out(number))] == ["clock"]
    assert closed(hand) == []


def test_a_clock_that_goes_wrong_while_a_sweep_runs_holds_it_at_the_next_drain(by_hand, engine):
    right = by_hand()
    wrong = by_hand(broker_clock=lambda: datetime.now(UTC) + timedelta(minutes=10))
    closable(engine)
    number = right.request()
    assert right.sweep(number).status == "running"
    assert wrong.carry_out(number).status == "held"
    assert closed(wrong) == []
    assert right.carry_out(number).status == "done"


def test_decisions_are_never_changed(by_hand, engine, policies):
    hand = by_hand()
    pauses.pause(engine, policies.purge.name, **SAYS)
    for change in ("UPDATE decisions SET actor = 'x'", "DELETE FROM decisions", "TRUNCATE decisions"):
        with pytest.raises(Exception, match="append"):
            hand.run(change)
    assert hand.decisions() == [("paused", "sato")]


def test_a_sweep_is_neither_ended_nor_failed_by_a_clock_that_was_set_back_while_it_ran(by_hand, engine):
    hand = by_hand()
    accounts = purgeable(engine, 2)
    number = hand.request("purge")
    assert hand.sweep(number).status == "running"
    clock = DatabaseClock(engine)
    clock.set(datetime.now(UTC) - 2 * YEARS)
    hand.runtime.engine.dispose()
    hand.do("reconcile", number)
    assert hand.row(number).status == "running"
    clock.set(datetime.now(UTC), speed=1)
    assert hand.carry_out(number).status == "done"
    assert not set(accounts) & set(hand.accounts())


def test_a_sweep_is_not_rejected_as_one_to_come_by_a_clock_that_was_set_back_before_it_began(by_hand, engine):
    hand = by_hand()
    accounts = purgeable(engine, 2)
    number = hand.request("purge")
    clock = DatabaseClock(engine)
    clock.set(datetime.now(UTC) - 2 * YEARS)
    hand.runtime.engine.dispose()
    assert hand.sweep(number).status == "held"
    clock.set(datetime.now(UTC), speed=1)
    assert hand.carry_out(number).status == "done"
    assert not set(accounts) & set(hand.accounts())


@pytest.mark.parametrize(("ahead", "prepared"), [(timedelta(), True), (timedelta(days=2), False)])
def test_partitions_are_prepared_but_not_for_a_time_that_a_wrong_clock_says(by_hand, clock, ahead, prepared):
    hand = by_hand()
    clock.set(datetime.now(UTC) + ahead, speed=1)
    hand.do("dispatch")
    sent = set()
    with hand.app.connection_for_read() as connection, suppress(Empty):
        queue = connection.SimpleQueue("retention")
        while True:
            sent.add(queue.get_nowait().headers["task"])
    assert "retention.recover" in sent
    assert not {"retention.verify", "retention.measure"} & sent, "they have seconds of their own"
    assert ("retention.prepare_log" in sent) == prepared
