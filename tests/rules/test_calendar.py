from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models import CounterOnly, Purge, calendar
from models.errors import NaiveInstantError
from tasks.rules.steps import steps

TOKYO = ZoneInfo("Asia/Tokyo")
MICROSECOND = timedelta.resolution

# Zones whose midnights are odd: none on some days (São Paulo, Beirut), two (Havana), a minute past it
# (St. John's), a date that never was (Apia), a date twice over (Juneau), and plain ones on both sides.
ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Tokyo",
        "UTC",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "America/Havana",
        "America/St_Johns",
        "Pacific/Apia",
        "America/Juneau",
        "Asia/Gaza",
        "Africa/Cairo",
    )
]

WINDOW = [
    ("2026-01-01T00:00:00", "2026-02-01"),
    ("2026-01-01T23:59:59.999999", "2026-02-01"),
    ("2024-01-31T12:00:00", "2024-03-02"),
]
FIVE_YEARS = [
    ("2021-04-01T00:00:00", "2026-04-01"),
    ("2021-03-31T18:30:00", "2026-04-01"),
    ("2020-02-29T10:00:00", "2025-03-01"),
    ("2020-02-28T10:00:00", "2025-03-01"),
    ("2020-02-29T00:00:00", "2025-03-01"),
    ("2023-02-28T10:00:00", "2028-03-01"),
    ("2023-02-28T00:00:00", "2028-02-28"),
    ("2020-12-31T23:59:59", "2026-01-01"),
]


def tokyo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


zones = st.sampled_from(ZONES)
years = st.integers(1, 30)
days = st.integers(0, 400)


@st.composite
def instants(draw, zone):
    """Any instant, and more often than not one within a microsecond of a local midnight or a change of clocks."""
    if draw(st.booleans()):
        return draw(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1))).replace(tzinfo=UTC)  # noqa: DTZ001
    day = draw(st.dates(date(1830, 1, 1), date(2200, 1, 1)))
    hours = draw(st.sampled_from([0, 0, 0, 1, 23]))
    near = calendar.start_of_day(day, zone) + timedelta(hours=hours)
    return near + draw(st.integers(-2, 2)) * MICROSECOND


@st.composite
def places(draw):
    """A zone and two instants in it."""
    zone = draw(zones)
    return zone, draw(instants(zone)), draw(instants(zone))


@pytest.mark.parametrize(("withdrawn", "due"), WINDOW)
def test_the_window_closes_on_the_day_the_manual_says(withdrawn, due):
    policy = CounterOnly(days=30, zone=TOKYO, cron="10 0 * * *")
    assert policy.due_from(tokyo(withdrawn)) == tokyo(due)


@pytest.mark.parametrize(("invalidated", "due"), FIVE_YEARS)
def test_the_five_years_end_on_the_day_the_civil_code_says(invalidated, due):
    policy = Purge(years=5, zone=TOKYO, cron="30 0 * * *")
    assert policy.due_from(tokyo(invalidated)) == tokyo(due)


@pytest.mark.parametrize(("withdrawn", "due"), WINDOW)
def test_the_window_cutoff_lets_an_account_through_from_its_due_instant_on(withdrawn, due):
    before, after = (calendar.window_cutoff(at, days=30, zone=TOKYO) for at in (tokyo(due) - MICROSECOND, tokyo(due)))
    assert not tokyo(withdrawn) < before
    assert tokyo(withdrawn) < after


@pytest.mark.parametrize(("invalidated", "due"), FIVE_YEARS)
def test_the_five_year_cutoff_lets_an_account_through_from_its_due_instant_on(invalidated, due):
    before, after = (
        calendar.retention_cutoff(at, years=5, zone=TOKYO) for at in (tokyo(due) - MICROSECOND, tokyo(due))
    )
    assert not tokyo(invalidated) <= before
    assert tokyo(invalidated) <= after


@given(places(), days)
def test_window_one_account_and_the_cutoff_for_all_agree_on_every_instant(place, days):
    zone, event, now = place
    due = calendar.window_closes(event, days=days, zone=zone)
    for at in (now, due, due - MICROSECOND):
        assert (event < calendar.window_cutoff(at, days=days, zone=zone)) == (due <= at)


@given(places(), years)
@example((TOKYO, tokyo("2020-02-29T00:00:00"), tokyo("2025-02-28T12:00:00")), 5)
@example((TOKYO, tokyo("2019-02-28T00:00:01"), tokyo("2024-02-29T00:00:00")), 5)
def test_five_years_one_account_and_the_cutoff_for_all_agree_on_every_instant(place, years):
    zone, event, now = place
    due = calendar.retention_ends(event, years=years, zone=zone)
    for at in (now, due, due - MICROSECOND):
        assert (event <= calendar.retention_cutoff(at, years=years, zone=zone)) == (due <= at)


@given(places(), days, years)
def test_a_later_event_never_falls_due_earlier(place, days, years):
    zone, *events = place
    earlier, later = sorted(events)
    for due in (
        [calendar.window_closes(event, days=days, zone=zone) for event in (earlier, later)],
        [calendar.retention_ends(event, years=years, zone=zone) for event in (earlier, later)],
    ):
        assert due[0] <= due[1]


@given(places(), days, years)
def test_the_table_of_steps_says_what_the_law_says(place, days, years):
    zone, event, _ = place
    for policy in (CounterOnly(days=days, zone=zone, cron=""), Purge(years=years, zone=zone, cron="")):
        starts, dues = steps(policy, [event.astimezone(UTC).date()])
        assert dues[bisect_right(starts, event) - 1] == policy.due_from(event)


def test_a_day_without_a_midnight_begins_when_the_clock_is_put_forward():
    zone = ZoneInfo("America/Sao_Paulo")
    assert calendar.start_of_day(date(2018, 11, 4), zone) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_where_clocks_put_back_across_midnight_show_a_day_again_the_later_day_goes_on():
    zone = ZoneInfo("America/St_Johns")  # until 2011 clocks went from 00:01 back to 23:01
    shown_again = datetime(2009, 11, 1, 2, 45, tzinfo=UTC)
    assert shown_again.astimezone(zone).isoformat() == "2009-10-31T23:15:00-03:30"
    assert calendar.today(shown_again, zone) == date(2009, 11, 1)
    due = calendar.window_closes(shown_again, days=30, zone=zone)
    assert due == calendar.start_of_day(date(2009, 12, 2), zone)
    assert shown_again < calendar.window_cutoff(due, days=30, zone=zone)


def test_an_instant_without_a_zone_is_refused():
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    for ask in (
        lambda: calendar.today(naive, TOKYO),
        lambda: calendar.window_closes(naive, days=30, zone=TOKYO),
        lambda: calendar.retention_ends(naive, years=5, zone=TOKYO),
    ):
        with pytest.raises(NaiveInstantError):
            ask()
