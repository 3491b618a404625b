"""How days and years are counted: one account's due instant, and the cutoff for all of them.

A day is known here by the instant it begins. Those instants never decrease from one day to the next, even
where a zone has no midnight on some day or meets one twice, so "the last day begun at an instant" and "the
first day not yet begun before it" always exist. Both rules are built from these two questions alone, and so
the answer for one account and the bound for all agree on every instant.

Results are in UTC: Python compares two instants of one zone by their clock faces, which is wrong in the hour
that clocks show twice.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.base import require_aware

__all__ = [
    "first_day_counted",
    "retention_cutoff",
    "retention_ends",
    "start_of_day",
    "today",
    "window_closes",
    "window_cutoff",
]

ONE_DAY = timedelta(days=1)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC.

    Where that day has no midnight it begins when the clock is put forward; where it has two, with the first.
    """
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def today(now: datetime, zone: ZoneInfo) -> date:
    """Return the last local day that has begun at `now`.

    This is the date on the wall, except where clocks put back across midnight show a day again that was over:
    there the later day goes on.
    """
    instant = require_aware(now).astimezone(UTC)
    day = instant.astimezone(zone).date()
    while start_of_day(day + ONE_DAY, zone) <= instant:
        day += ONE_DAY
    return day


def window_closes(withdrawn_at: datetime, *, days: int, zone: ZoneInfo) -> datetime:
    """Return the instant from which only an office counter can reopen the account.

    The hour of withdrawal does not matter: with W its local date, the window is open through day W + `days`.

    Args:
        withdrawn_at: when the owner withdrew; aware.
        days: last day on which the owner can reactivate, counted from W; at least 0.
        zone: where days begin and end.

    Returns:
        Local start of day W + `days` + 1, in UTC, inclusive: due from this instant on.

    Raises:
        NaiveInstantError: `withdrawn_at` has no time zone.

    Source: the service's manual, section 9.2.
    """
    return start_of_day(today(withdrawn_at, zone) + timedelta(days=days + 1), zone)


def window_cutoff(now: datetime, *, days: int, zone: ZoneInfo) -> datetime:
    """Return the bound for all: due at `now` means `withdrawn_at` < this instant (exclusive).

    Raises:
        NaiveInstantError: `now` has no time zone.
    """
    return start_of_day(today(now, zone) - timedelta(days=days), zone)


def first_day_counted(instant: datetime, zone: ZoneInfo) -> date:
    """Return the first local day that begins at `instant` or later: the first that counts towards the years."""
    day = today(instant, zone)
    if start_of_day(day, zone) < instant:
        return day + ONE_DAY
    # A zone that once left out a whole date has two days beginning at one instant.
    while start_of_day(day - ONE_DAY, zone) >= instant:
        day -= ONE_DAY
    return day


def retention_ends(invalidated_at: datetime, *, years: int, zone: ZoneInfo) -> datetime:
    """Return the instant from which the account is to be deleted.

    The day of the event is not counted unless it happened as that day began; a missing 29 February ends with
    28 February. Rounding can only ever keep an account too long, never delete it early.

    Args:
        invalidated_at: when the job-seeking status became invalid; aware.
        years: length of the period in calendar years, at least 1.
        zone: where days begin and end.

    Returns:
        Local start of day, in UTC, inclusive: due from this instant on.

    Raises:
        NaiveInstantError: `invalidated_at` has no time zone.

    Source: Civil Code of Japan, articles 140, 141, 143.
    """
    first = first_day_counted(invalidated_at, zone)
    try:
        ends = first.replace(year=first.year + years)
    except ValueError:
        ends = date(first.year + years, 3, 1)
    return start_of_day(ends, zone)


def retention_cutoff(now: datetime, *, years: int, zone: ZoneInfo) -> datetime:
    """Return the bound for all: due at `now` means `invalidated_at` <= this instant (inclusive).

    Raises:
        NaiveInstantError: `now` has no time zone.
    """
    day = today(now, zone)
    try:
        corresponding = day.replace(year=day.year - years)
    except ValueError:
        corresponding = date(day.year - years, 2, 28)
    return start_of_day(corresponding, zone)
