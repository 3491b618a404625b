"""Reconciliation finds nothing after a sound sweep, and names each kind of damage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import pytest
from builders import a_hold, an_account, dependents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sweeping import (
    COUNTER_ONLY,
    LONG_INVALID,
    LONG_WITHDRAWN,
    NOW,
    PURGE,
    a_sweep,
    closable,
    damage,
    damaging,
    findings_about,
    first_receipt,
    plant,
    purgeable,
    run_sweep,
    sweep_both,
)

from models import CounterOnly, Policies, PolicyName, Purge, calendar
from models.errors import Refused
from tasks import reconcile as reconciling
from tasks.batch import run_batch
from tasks.finish import RECONCILING
from tasks.reconcile import find_left, reconcile, verify_batch
from tasks.statements.claim import take_lane
from tasks.transaction import transaction
from worker.seed import Population, seed

ZONES = ("Asia/Tokyo", "America/St_Johns", "Africa/Cairo", "Europe/London", "America/Sao_Paulo")


@pytest.fixture
def swept(engine, policies):
    return sweep_both(engine, policies)


event_offsets = st.lists(
    st.tuples(st.integers(-3, 3), st.sampled_from([-1, 0, 1, 39_600_000_000]), st.booleans()), min_size=1, max_size=12
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ZONES), st.datetimes(datetime(2012, 1, 1), datetime(2026, 1, 1)), event_offsets)  # noqa: DTZ001
def test_a_sound_sweep_gives_no_findings_in_any_zone(engine, zone, as_of, events):
    known = ZoneInfo(zone)
    policies = Policies(Purge(5, known, "30 0 * * *"), CounterOnly(30, known, "10 0 * * *"))
    as_of = as_of.replace(tzinfo=UTC)
    with engine.begin() as connection:
        for table in ("holds", "job_seekings", "accounts"):
            connection.execute(text(f"DELETE FROM {table}"))
        for days, microseconds, held in events:
            offset = timedelta(days=days, microseconds=microseconds)
            account_ids = [
                purgeable(connection, policies.purge.cutoff(as_of) + offset),
                an_account(connection, state="withdrawn", withdrawn_at=policies.counter_only.cutoff(as_of) + offset),
            ]
            for account_id in account_ids if held else ():
                a_hold(connection, account_id)
    for name in PolicyName:
        sweep_id = run_sweep(engine, policies, name, as_of=as_of, limit=3)
        assert reconcile(engine, policies, sweep_id, drained=True).findings == []


def test_a_sound_sweep_of_a_realistic_population_gives_no_findings(engine, policies):
    seed(engine, Population(2000, 1, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    for name in (PURGE, COUNTER_ONLY):
        sweep_id = run_sweep(engine, policies, name, limit=7)
        assert reconcile(engine, policies, sweep_id, drained=True).findings == []


def test_a_sweep_that_found_nothing_gives_no_findings(engine, policies):
    for name in PolicyName:
        assert reconcile(engine, policies, run_sweep(engine, policies, name), drained=True).findings == []


def test_reconciliation_asks_nothing_of_the_law_that_acts(engine, policies, swept, monkeypatch):
    for law in calendar.__all__:
        monkeypatch.delattr(calendar, law)
    for sweep_id, _ in swept.values():
        assert reconcile(engine, policies, sweep_id, drained=True).findings == []


@pytest.mark.parametrize("name", list(PolicyName))
def test_a_due_account_that_is_left_is_found(engine, policies, swept, name):
    sweep_id, _ = swept[name]
    with engine.begin() as connection:
        left = purgeable(connection) if name == PURGE else closable(connection)
    assert reconcile(engine, policies, sweep_id, drained=True).findings == [
        f"sweep {sweep_id}: 1 accounts that were due are still there (counted up to 10000): {left}"
    ]
    assert reconcile(engine, policies, sweep_id, drained=False).findings == []


def test_who_is_due_is_told_to_the_microsecond(engine, policies):
    after = timedelta.resolution
    with engine.begin() as connection:
        edge = policies.purge.cutoff(NOW)
        purged = purgeable(connection, edge)
        purgeable(connection, edge + after)
        edge = policies.counter_only.cutoff(NOW)
        closed = an_account(connection, state="withdrawn", withdrawn_at=edge - after)
        an_account(connection, state="withdrawn", withdrawn_at=edge)
    for name, expected in ((PURGE, purged), (COUNTER_ONLY, closed)):
        sweep_id, _ = a_sweep(engine, policies, name)
        [finding] = reconcile(engine, policies, sweep_id, drained=True).findings
        assert finding.endswith(f"1 accounts that were due are still there (counted up to 10000): {expected}")


def test_in_steps_it_finds_what_it_finds_at_once(engine, policies, swept, monkeypatch):
    with engine.begin() as connection:
        ids = [closable(connection) for _ in range(7)]
    sweep_id = run_sweep(engine, policies, COUNTER_ONLY, limit=2)
    damage(engine, "UPDATE actions SET due_at = due_at - interval '1 day' WHERE account_id = :id", id=ids[6])
    monkeypatch.setattr(reconciling, "RECEIPTS_AT_ONCE", 1)
    steps = [reconcile(engine, policies, sweep_id, drained=False, enough=lambda: True)]
    while not steps[-1].whole:
        after = steps[-1].reached
        steps.append(reconcile(engine, policies, sweep_id, drained=False, after=after, enough=lambda: True))
    assert [len(step.findings) for step in steps] == [0, 0, 0, 1, 0]  # the last page is full: another follows, empty
    assert steps[3].findings == reconcile(engine, policies, sweep_id, drained=False).findings


def test_of_many_accounts_left_ten_are_named(engine, policies):
    with engine.begin() as connection:
        ids = [purgeable(connection) for _ in range(12)]
    sweep_id, _ = a_sweep(engine, policies, PURGE)
    [finding] = reconcile(engine, policies, sweep_id, drained=True).findings
    assert finding.startswith(f"sweep {sweep_id}: 12 accounts")
    assert finding.endswith(": " + ", ".join(map(str, ids[:10])))


AHEAD = NOW + timedelta(days=1)
KEPT_FROM_BOTH = {
    "held": {"held": True},
    "released after the sweep looked": {"held": True, "released_at": AHEAD},
    "something happened after the sweep looked": {"transition": True},
}
KEPT = {
    PURGE: {
        "withdrawn without a date": {"state": "withdrawn"},
        "withdrawn in future": {"state": "withdrawn", "withdrawn_at": AHEAD},
        "counter-only in future": {"state": "counter_only", "counter_only_at": AHEAD},
        "valid": {"status": "valid", "invalidated_at": None},
        "invalid without a date": {"invalidated_at": None},
    },
    COUNTER_ONLY: {
        "left to the purge": {"status": "invalid", "invalidated_at": LONG_INVALID},
        "invalid without a date": {"status": "invalid"},
        "invalid in future": {"status": "invalid", "invalidated_at": AHEAD},
        "active": {"state": "active", "withdrawn_at": None},
        "withdrawn without a date": {"withdrawn_at": None},
    },
}
DUE = {
    PURGE: {"status": "invalid", "invalidated_at": LONG_INVALID},
    COUNTER_ONLY: {"state": "withdrawn", "withdrawn_at": LONG_WITHDRAWN},
}


@pytest.mark.parametrize(
    ("name", "why"),
    [pytest.param(name, why, id=f"{name}: {why}") for name in PolicyName for why in (*KEPT_FROM_BOTH, *KEPT[name])],
)
def test_an_account_left_for_good_reason_raises_no_alarm(engine, policies, name, why):
    told = dict(KEPT_FROM_BOTH.get(why, {}))
    with engine.begin() as connection:
        account_id = an_account(connection, **DUE[name] | KEPT[name].get(why, {}))
        if told.pop("held", False):
            a_hold(connection, account_id, **told)
        if told.pop("transition", False):
            dependents(connection, account_id)
            connection.execute(text("UPDATE transitions SET at = :at"), {"at": AHEAD})
    sweep_id, _ = a_sweep(engine, policies, name)
    assert reconcile(engine, policies, sweep_id, drained=True).findings == []


def test_accounts_that_only_look_kept_are_found(engine, policies):
    """A released hold, an old history, a purge that is not due: none of them keeps an account."""
    with engine.begin() as connection:
        released = closable(connection)
        a_hold(connection, released, released_at=NOW - timedelta(days=1))
        recent = an_account(connection, **DUE[COUNTER_ONLY], status="invalid", invalidated_at=NOW - timedelta(days=9))
        moved = an_account(connection, **DUE[PURGE], state="counter_only", counter_only_at=NOW - timedelta(days=9))
    for name, expected in ((COUNTER_ONLY, f"{released}, {recent}"), (PURGE, str(moved))):
        sweep_id, _ = a_sweep(engine, policies, name)
        [finding] = reconcile(engine, policies, sweep_id, drained=True).findings
        assert finding.endswith(f": {expected}")


def test_what_is_left_can_be_judged_in_a_snapshot_of_the_callers(engine, policies):
    sweep_id = run_sweep(engine, policies, PURGE)
    repeatable = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction(repeatable) as connection:
        assert find_left(connection, policies, sweep_id) == []
        with engine.begin() as person:
            left = purgeable(person)
        assert find_left(connection, policies, sweep_id) == []
    with transaction(repeatable) as connection:
        [finding] = find_left(connection, policies, sweep_id)
    assert finding.endswith(f": {left}")


@pytest.mark.parametrize("name", list(PolicyName))
def test_an_account_touched_too_early_is_found(engine, policies, swept, name):
    sweep_id, _ = swept[name]
    too_new = NOW - timedelta(days=20)
    receipt_id = plant(engine, sweep_id, event_at=too_new)
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 actions name another due instant than the law: 4711",
        "1 accounts were touched before they were due: 4711",
        "1 accounts were touched that were not due as of the sweep: 4711",
        "1 accounts were touched beyond the sweep's cutoff: 4711",
    }


@pytest.mark.parametrize("name", list(PolicyName))
def test_the_first_event_that_was_not_due_is_told_from_the_last_that_was(engine, policies, swept, name):
    sweep_id, _ = swept[name]
    step = timedelta.resolution
    first_not_due = policies[name].cutoff(NOW) + (step if name == PURGE else timedelta(0))
    for account_id, event_at in ((81, first_not_due - step), (82, first_not_due)):
        receipt_id = plant(
            engine,
            sweep_id,
            account_id=account_id,
            event_at=event_at,
            due_at=policies[name].due_from(event_at),
            acted_at=NOW + timedelta(days=9),
        )
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 accounts were touched that were not due as of the sweep: 82",
        "1 accounts were touched beyond the sweep's cutoff: 82",
    }


def test_an_action_before_its_day_is_found_whatever_due_instant_it_names(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    early = policies.purge.due_from(LONG_INVALID) - timedelta(hours=1)
    receipt_id = plant(engine, sweep_id, acted_at=early, due_at=early)
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 actions name another due instant than the law: 4711",
        "1 accounts were touched before they were due: 4711",
    }


def test_a_due_instant_that_is_late_is_found_too(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    receipt_id = plant(engine, sweep_id, due_at=policies.purge.due_from(LONG_INVALID) + timedelta(days=1))
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 actions name another due instant than the law: 4711"
    }


@pytest.mark.parametrize("days", [-2, 2])
@pytest.mark.parametrize("name", list(PolicyName))
def test_of_many_actions_that_name_one_due_instant_the_wrong_one_is_found(engine, policies, swept, name, days):
    sweep_id, _ = swept[name]
    event = LONG_INVALID if name == PURGE else LONG_WITHDRAWN
    due_at = policies[name].due_from(event)
    for account_id, event_at in ((81, event), (82, event + timedelta(days=days)), (83, event + timedelta(minutes=1))):
        receipt_id = plant(engine, sweep_id, account_id=account_id, event_at=event_at, due_at=due_at)
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 actions name another due instant than the law: 82"
    }


def test_an_action_of_another_kind_is_found(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    receipt_id = plant(engine, sweep_id, action="counter_only")
    assert findings_about(engine, policies, sweep_id, receipt_id) == {"1 actions are none of a purge sweep: 4711"}


def test_an_action_that_names_another_sweep_than_its_receipt_is_found(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    receipt_id = plant(engine, sweep_id, sweep_id=99)
    assert findings_about(engine, policies, sweep_id, receipt_id) == {
        "1 actions name another sweep than their receipt: 4711"
    }


def test_an_account_touched_twice_in_one_sweep_is_found_once(engine, policies, swept, monkeypatch):
    monkeypatch.setattr(reconciling, "RECEIPTS_AT_ONCE", 1)
    sweep_id, (_, _, third) = swept[PURGE]
    plant(engine, sweep_id, account_id=third)
    assert reconcile(engine, policies, sweep_id, drained=True).findings == [
        f"sweep {sweep_id}: 1 accounts were touched twice in one sweep: {third}"
    ]


def test_an_account_touched_again_in_another_sweep_is_none_of_this_ones(engine, policies, swept):
    purge, accounts = swept[PURGE]
    counter_only, _ = swept[COUNTER_ONLY]
    plant(engine, counter_only, account_id=accounts[0])
    assert reconcile(engine, policies, purge, drained=True).findings == []


def test_a_cutoff_that_the_law_does_not_name_is_found(engine, policies):
    for name in PolicyName:
        sweep_id, _ = a_sweep(engine, policies, name)
        damage(engine, "UPDATE sweeps SET cutoff = cutoff + interval '1 hour' WHERE id = :id", id=sweep_id)
        assert reconcile(engine, policies, sweep_id, drained=True).findings == [
            f"sweep {sweep_id}: 1 cutoff is not the one that the law names"
        ]


def test_an_action_without_a_receipt_is_found_wherever_its_receipt_would_be(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    with engine.connect() as connection:
        last = connection.scalar(text("SELECT max(id) FROM receipts"))
    for account_id, receipt_id in ((91, 0), (92, last + 5)):
        plant(engine, sweep_id, account_id=account_id, receipt_id=receipt_id)
    found = [reconcile(engine, policies, of, drained=True).findings for of, _ in swept.values()]
    assert sorted(chain.from_iterable(found)) == sorted(
        f"sweep {of}: 1 actions have no receipt: {account_id}"
        for (of, _), account_id in zip(sorted(swept.values()), (91, 92), strict=True)
    )


def test_an_action_without_a_receipt_is_found_in_the_gap_between_two(engine, policies, swept, monkeypatch):
    monkeypatch.setattr(reconciling, "RECEIPTS_AT_ONCE", 1)
    (first_sweep, _), (second_sweep, _) = sorted(swept.values())
    with damaging(engine) as connection:
        connection.execute(text("UPDATE receipts SET id = id * 10"))
        connection.execute(text("UPDATE actions SET receipt_id = receipt_id * 10"))
    for account_id, receipt_id in ((91, 15), (92, 25), (93, 35)):
        plant(engine, first_sweep, account_id=account_id, receipt_id=receipt_id)
    assert reconcile(engine, policies, first_sweep, drained=True).findings == [
        f"sweep {first_sweep}: 2 actions have no receipt: 91, 92"
    ]
    assert reconcile(engine, policies, second_sweep, drained=True).findings == [
        f"sweep {second_sweep}: 2 actions have no receipt: 92, 93"
    ]


def test_a_sweep_without_receipts_finds_an_action_behind_the_last_of_all(engine, policies, swept):
    sweep_id = run_sweep(engine, policies, PURGE)
    plant(engine, swept[PURGE][0], receipt_id=1000)
    found = reconcile(engine, policies, sweep_id, drained=True).findings
    assert found == [f"sweep {sweep_id}: 1 actions have no receipt: 4711"]


def test_a_receipt_that_differs_from_its_actions_is_found(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    insert = """
        INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
        VALUES (99, :id, 'purge', 1, '{}', now(), sha256('1'), sha256('2'), sha256('3')) RETURNING id
    """
    with damaging(engine) as connection:
        first = first_receipt(connection, sweep_id)
        empty = connection.execute(text(insert), {"id": sweep_id}).scalar_one()
        connection.execute(text("UPDATE receipts SET accounts = 7 WHERE id = :id"), {"id": first})
        connection.execute(text("UPDATE receipts SET action = 'counter_only' WHERE id = :id"), {"id": first + 1})
    assert set(reconcile(engine, policies, sweep_id, drained=True).findings) == {
        f"sweep {sweep_id}: 1 receipts have no action: {empty}",
        f"sweep {sweep_id}: 1 receipts count other accounts than they have actions: {first}",
        f"sweep {sweep_id}: 1 receipts are none of a purge sweep: {first + 1}",
    }


def test_a_batch_can_be_verified_in_the_transaction_that_is_not_final_yet(engine, policies):
    with engine.begin() as connection:
        left = purgeable(connection)
    sweep_id, cutoff = a_sweep(engine, policies, PURGE)
    batch = run_batch(engine, policies.purge, cutoff, sweep_id=sweep_id, lane=0, limit=10)
    with damaging(engine) as connection:
        connection.execute(text("INSERT INTO saved_jobs (account_id) VALUES (:id)"), {"id": left})
        [finding] = verify_batch(connection, policies, batch.receipt_id)
        connection.rollback()
    assert finding.startswith(f"receipt {batch.receipt_id}: 1 rows of purged accounts")
    with transaction(engine) as connection:
        assert verify_batch(connection, policies, batch.receipt_id) == []


def test_nobody_is_told_that_what_does_not_exist_is_well(engine, policies):
    with pytest.raises(Refused, match="no sweep 4711"):
        reconcile(engine, policies, 4711, drained=True)
    with transaction(engine) as connection, pytest.raises(Refused, match="no receipt 4711"):
        verify_batch(connection, policies, 4711)


def test_reconciling_changes_nothing(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    with reconciling._reading(engine) as connection, pytest.raises(Exception, match="read-only"):
        connection.execute(text("UPDATE accounts SET email = NULL"))
    assert reconcile(engine, policies, sweep_id, drained=True).findings == []


def test_a_sweep_of_any_size_is_reconciled_a_part_at_a_time(by_hand, engine, monkeypatch):
    monkeypatch.setattr(reconciling, "RECEIPTS_AT_ONCE", 1)
    with engine.begin() as connection:
        for _ in range(5):
            purgeable(connection)
    here = by_hand(batch_accounts=2, ceiling_share=1)
    sweep_id = here.request("purge")
    here.sweep(sweep_id)
    here.do("drain", sweep_id, 0)
    here.app.runtime = replace(here.runtime, drain_seconds=0)
    reached = []
    while here.row(sweep_id).status == "running":
        here.do("reconcile", sweep_id)
        reached.append(here.row(sweep_id).reconciled_to)
    assert here.row(sweep_id).status == "done"
    assert len(set(reached)) == here.row(sweep_id).batches >= 3


def test_two_do_not_reconcile_one_sweep_at_once(by_hand, engine):
    with engine.begin() as connection:
        closable(connection)
    here = by_hand(ceiling_share=1)
    sweep_id = here.request()
    here.sweep(sweep_id)
    here.do("drain", sweep_id, 0)
    with transaction(engine) as connection:
        connection.execute(take_lane(sweep_id, RECONCILING))
        here.do("reconcile", sweep_id)
        assert here.row(sweep_id).status == "running"
    here.do("reconcile", sweep_id)
    assert here.row(sweep_id).status == "done"
