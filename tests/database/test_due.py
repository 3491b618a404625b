"""SQL's answer for all accounts and Python's answer for one must be the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from builders import a_hold, a_sweep, an_account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from models import Account, CounterOnly, JobSeeking, Policies, PolicyName, Purge
from tasks.explain import explain
from tasks.plan import plan
from tasks.rules.anomaly import anomalies
from tasks.rules.cutoff import Cutoff
from tasks.statements.due import count_anomalies, count_anomalous, count_due, count_late, due, due_since

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 5, 1, 3, tzinfo=UTC)
MICROSECOND = timedelta.resolution


def policies_in(name: str) -> Policies:
    zone = ZoneInfo(name)
    return Policies(Purge(5, zone, "30 0 * * *"), CounterOnly(30, zone, "10 0 * * *"))


def due_ids(connection, cutoff, now):
    return {row.account_id for row in connection.execute(due(cutoff, now=now))}


near = st.integers(-3, 3).map(lambda days: timedelta(days=days))
jitter = st.sampled_from([-MICROSECOND, timedelta(0), MICROSECOND, timedelta(hours=11)])
zones = st.sampled_from(["Asia/Tokyo", "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Asia/Beirut"])
nows = st.datetimes(datetime(2012, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(zones, nows, st.lists(st.tuples(near, jitter), min_size=1, max_size=8))
def test_sql_and_python_agree_who_is_due_at_every_instant(engine, zone, now, offsets):
    policies = policies_in(zone)
    with engine.connect() as connection:
        for days, offset in offsets:
            purge_edge = policies.purge.cutoff(now + days) + offset
            window_edge = policies.counter_only.cutoff(now + days) + offset
            an_account(connection, status="invalid", invalidated_at=min(purge_edge, now))
            an_account(connection, state="withdrawn", withdrawn_at=min(window_edge, now))
        with Session(connection) as session:
            accounts = session.query(Account, JobSeeking).join(JobSeeking, JobSeeking.account_id == Account.id).all()
            for name, event in ((PolicyName.PURGE, "invalidated_at"), (PolicyName.COUNTER_ONLY, "withdrawn_at")):
                expected = {
                    account.id
                    for account, seeking in accounts
                    if (at := getattr(account if event == "withdrawn_at" else seeking, event)) is not None
                    and policies[name].due_from(at) <= now
                }
                assert due_ids(connection, Cutoff.of(policies, name, now), now) == expected
        connection.rollback()


PAST, LONG_AGO, AHEAD = NOW - timedelta(days=40), NOW - timedelta(days=3000), NOW + timedelta(days=1)
ACCOUNTS = [
    {"state": "active"},
    {"state": "withdrawn", "withdrawn_at": PAST},
    {"state": "withdrawn", "withdrawn_at": NOW},
    {"state": "withdrawn", "withdrawn_at": AHEAD},
    {"state": "withdrawn"},
    {"state": "counter_only"},
    {"state": "counter_only", "withdrawn_at": PAST, "counter_only_at": NOW},
    {"state": "counter_only", "withdrawn_at": PAST, "counter_only_at": AHEAD},
    {"state": "counter_only", "withdrawn_at": AHEAD},
]
SEEKINGS = [
    {"status": None},
    {"status": "valid"},
    {"status": "invalid", "invalidated_at": NOW},
    {"status": "invalid", "invalidated_at": LONG_AGO},
    {"status": "invalid", "invalidated_at": AHEAD},
    {"status": "invalid"},
]


@pytest.fixture
def every_kind(engine):
    """One account for each combination of state, dates, status and hold, known by its number."""
    with engine.begin() as connection:
        kinds = {}
        for account, seeking, held in product(ACCOUNTS, SEEKINGS, (None, "active", "released")):
            number = an_account(connection, **account, **seeking)
            if held:
                a_hold(connection, number, released_at=NOW if held == "released" else None)
            kinds[number] = (account, seeking, held)
    return kinds


def test_a_hold_or_an_anomaly_keeps_an_account_from_ever_being_due(engine, every_kind):
    policies = policies_in("Asia/Tokyo")

    def sane(account, seeking):
        dates = [account.get("withdrawn_at"), account.get("counter_only_at"), seeking.get("invalidated_at")]
        dateless = (account["state"] == "withdrawn" and not dates[0]) or (
            seeking["status"] == "invalid" and not dates[2]
        )
        return not dateless and AHEAD not in dates

    expected = {
        name: {
            number
            for number, (account, seeking, held) in every_kind.items()
            if sane(account, seeking)
            and held != "active"
            and (seeking.get("invalidated_at") == LONG_AGO) == (name == PolicyName.PURGE)
            and (name == PolicyName.PURGE or account == ACCOUNTS[1])
        }
        for name in PolicyName
    }
    with engine.connect() as connection:
        for name in PolicyName:
            assert due_ids(connection, Cutoff.of(policies, name, NOW), NOW) == expected[name]
            assert expected[name]


EARLIER = NOW - timedelta(days=6)


@pytest.fixture
def some_late(engine, every_kind):
    """Besides those of every kind, some who became due on other days; and of all these, a third set aside."""
    policies = policies_in("Asia/Tokyo")
    with engine.begin() as connection:
        for days, held in product(range(12), (False, True)):
            at = NOW - timedelta(days=days)
            number = an_account(connection, status="invalid", invalidated_at=policies.purge.cutoff(at))
            other = an_account(
                connection, state="withdrawn", withdrawn_at=policies.counter_only.cutoff(at) - MICROSECOND
            )
            if held:
                a_hold(connection, number)
                a_hold(connection, number, released_at=AHEAD)
                a_hold(connection, other, released_at=AHEAD)
        aside = """
            INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
            SELECT id, policy, 5, '', now(), now(), CASE id % 3 WHEN 0 THEN now() END
              FROM accounts, unnest(ARRAY['purge', 'counter_only']) AS policy WHERE id % 3 < 2
        """
        connection.execute(text(aside))
    return policies


@pytest.mark.parametrize("name", PolicyName)
@pytest.mark.parametrize("planned", [False, True])
def test_as_many_are_counted_as_are_due(engine, some_late, name, planned):
    before, cutoff = (Cutoff.of(some_late, name, now) for now in (EARLIER, NOW))
    with engine.connect() as connection:
        if planned:
            sweep = a_sweep(connection, cutoff, NOW)
            plan_some = text("INSERT INTO planned_accounts SELECT :sweep, id FROM accounts WHERE id % 5 < 3")
            connection.execute(plan_some, {"sweep": sweep})
            cutoff = replace(cutoff, plan_of=sweep)
        rows = connection.execute(due(cutoff, now=NOW)).all()
        newly = connection.execute(due_since(cutoff, before, now=NOW)).all()
        assert 0 < len(newly) < len(rows)
        assert connection.scalar(count_due(cutoff, now=NOW)) == len(rows)
        assert connection.scalar(count_due(cutoff, now=NOW, since=before)) == len(newly)
        for most in range(len(rows) + 3):
            assert connection.scalar(count_due(cutoff, now=NOW, most=most)) == min(most, len(rows))
        late = len(rows) - len(newly), min(row.event_at for row in rows)
        assert connection.execute(count_late(cutoff, tick=before, now=NOW)).one() == (len(rows), *late)
        nobody = replace(cutoff, at=datetime.min.replace(tzinfo=UTC))
        assert connection.execute(count_late(nobody, tick=before, now=NOW)).one() == (0, 0, None)
        connection.rollback()


def test_explain_and_sql_agree_about_every_kind_of_account(engine, every_kind):
    policies = policies_in("Asia/Tokyo")
    with engine.connect() as connection:
        acted = {name: due_ids(connection, Cutoff.of(policies, name, NOW), NOW) for name in PolicyName}
    for number in every_kind:
        found = explain(engine, policies, number, NOW)
        assert {name for name in PolicyName if not found.prevented[name]} == {
            name for name in PolicyName if number in acted[name]
        }, every_kind[number]


def test_anomalies_are_counted_by_kind_and_each_account_once(engine, every_kind):
    with engine.connect() as connection, Session(connection) as session:
        found = {
            number: anomalies(session.get_one(Account, number), session.get(JobSeeking, number), NOW)
            for number in every_kind
        }
        for kind, count in connection.execute(count_anomalies(now=NOW)):
            assert count == sum(kind in kinds for kinds in found.values()) > 0
        assert connection.scalar(count_anomalous(now=NOW)) == sum(bool(kinds) for kinds in found.values())


def test_a_plan_counts_what_is_due_held_and_anomalous_and_changes_nothing(engine):
    policies = policies_in("Asia/Tokyo")
    with engine.begin() as connection:
        ids = [an_account(connection, state="withdrawn", withdrawn_at=PAST - timedelta(days=n)) for n in range(3)]
        a_hold(connection, ids[0])
        an_account(connection, state="withdrawn")
        an_account(connection, status="invalid")
        before = connection.execute(text(EVERYTHING)).scalar_one()
    found = plan(engine, policies, PolicyName.COUNTER_ONLY, NOW)
    assert (found.due, found.held, found.anomalies, found.sample) == (2, 1, 2, (ids[2], ids[1]))
    assert found.oldest_due_at == policies.counter_only.due_from(PAST - timedelta(days=2))
    with engine.connect() as connection:
        assert connection.execute(text(EVERYTHING)).scalar_one() == before


EVERYTHING = """
SELECT string_agg(line, '|' ORDER BY line) FROM (
    SELECT a::text AS line FROM accounts a UNION ALL SELECT j::text FROM job_seekings j
    UNION ALL SELECT h::text FROM holds h UNION ALL SELECT s::text FROM sweeps s
    UNION ALL SELECT x::text FROM actions x) AS everything
"""
