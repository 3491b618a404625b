"""Quiet hours: inside from their first minute until before their last, by the clock of the zone, over midnight too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import QuietHours

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
TIMES = st.times().map(lambda at: at.strftime("%H:%M"))
HOURS = st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]).map("-".join).map(QuietHours.parse)

INSTANTS = st.datetimes(timezones=st.just(TOKYO))


def until(hours, local, zone=TOKYO):
    ends = QuietHours.parse(hours).until(datetime.fromisoformat(local).replace(tzinfo=zone), zone)
    return ends and ends.replace(tzinfo=None).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("hours", "local", "expected"),
    [
        ("08:00-20:00", "2026-04-01T07:59:59.999999", None),
        ("08:00-20:00", "2026-04-01T08:00", "2026-04-01T20:00"),
        ("08:00-20:00", "2026-04-01T19:59:59.999999", "2026-04-01T20:00"),
        ("08:00-20:00", "2026-04-01T20:00", None),
        ("22:00-05:00", "2026-12-31T21:59", None),
        ("22:00-05:00", "2026-12-31T22:00", "2027-01-01T05:00"),
        ("22:00-05:00", "2027-01-01T04:59", "2027-01-01T05:00"),
        ("22:00-05:00", "2027-01-01T05:00", None),
        ("22:00-00:00", "2026-04-01T23:59", "2026-04-02T00:00"),
        ("22:00-00:00", "2026-04-01T00:00", None),
        ("00:00-00:01", "2026-04-01T00:00:30", "2026-04-01T00:01"),
    ],
)
def test_quiet_hours_end_when_they_say(hours, local, expected):
    assert until(hours, local) == expected


def test_hours_are_those_of_the_zones_clock_whatever_it_is_set_to():
    # In New York 1 o'clock comes twice on 1 November 2026.
    first, second = (datetime(2026, 11, 1, 1, 30, fold=fold, tzinfo=NEW_YORK).astimezone(UTC) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    hours = QuietHours.parse("01:00-02:00")
    assert hours.until(first, NEW_YORK) is not None
    assert hours.until(second, NEW_YORK) is not None


@given(HOURS, INSTANTS)
def test_they_end_within_a_day_and_are_over_then(hours, now):
    ends = hours.until(now, TOKYO)
    assert ends is None or now < ends <= now + timedelta(days=1)
    assert ends is None or hours.until(ends, TOKYO) is None


@given(HOURS, INSTANTS)
def test_whatever_is_not_quiet_is_quiet_by_the_opposite_hours(hours, now):
    opposite = QuietHours(hours.end, hours.start)
    assert (hours.until(now, TOKYO) is None) != (opposite.until(now, TOKYO) is None)


@pytest.mark.parametrize("text", ["", "8-20", "08:00", "08:00-08:00", "24:00-08:00", "08:00-20:00-21:00", "a-b"])
def test_what_are_no_hours_is_refused(text):
    with pytest.raises(ValueError, match=r"begins when|does not match|unconverted"):
        QuietHours.parse(text)
