"""Steps: the law as a table of days, for the database to look events up in."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from models import Policy

__all__ = ["steps"]


def steps(policy: Policy, dates: Iterable[date]) -> tuple[list[datetime], list[datetime]]:
    """Return when events fall due that happened on the given dates in UTC, as two lists of one length.

    An event at `starts[i]` or later, and before `starts[i + 1]`, is due from `dues[i]`. A date in UTC overlaps
    with local days from the one before to the one after.
    """
    days = sorted({day + timedelta(days=offset) for day in dates for offset in (-1, 0, 1)})
    starts = [policy.first_event(day) for day in days]
    return starts, [policy.due_from(start) for start in starts]
