"""The law once more, in date arithmetic of the database: what reconciliation judges the worker by."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, FromClause, Interval, Text, case, cast, extract, func, literal, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from models import Policy, Purge
from models.base import Instant

__all__ = ["bound_as_of", "with_lawful_instant"]

# Not a day: which instant that means depends on the session's own time zone.
TWENTY_FOUR_HOURS = literal(timedelta(hours=24), Interval)
MICROSECOND = literal(timedelta.resolution, Interval)


def with_lawful_instant(rows: FromClause, policy: Policy) -> FromClause:
    """Return `rows`, which have a column `event_at`, with a further one: `lawful_at`, from when the event is due.

    The five years count from the day after the one that was going on just before the event: that is the day of
    the event itself only where it happened as that day began.
    """
    if isinstance(policy, Purge):
        rows = _with_day(rows, rows.c.event_at - MICROSECOND, policy.zone)
        rows = _with(rows, first=rows.c.day + 1)
        rows = _with(rows, same=cast(rows.c.first + func.make_interval(policy.years), Date))
        # PostgreSQL ends on 28 February where there is no 29th; the day after is meant.
        missing = extract("day", rows.c.same) < extract("day", rows.c.first)
        rows = _with(rows, due_on=case((missing, rows.c.same + 1), else_=rows.c.same))
    else:
        rows = _with_day(rows, rows.c.event_at, policy.zone)
        rows = _with(rows, due_on=rows.c.day + policy.days + 1)
    return _with(rows, lawful_at=_begins(rows.c.due_on, policy.zone))


def bound_as_of(policy: Policy, as_of: datetime) -> ColumnElement[datetime]:
    """Return the bound on the event column that a sweep's `as_of` fixes: inclusive for `purge`, else exclusive."""
    asked = select(literal(as_of, Instant).label("as_of")).subquery()
    rows = _with_day(asked, asked.c.as_of, policy.zone)
    if isinstance(policy, Purge):
        rows = _with(rows, back_on=cast(rows.c.day - func.make_interval(policy.years), Date))
    else:
        rows = _with(rows, back_on=rows.c.day - policy.days)
    return select(_begins(rows.c.back_on, policy.zone)).scalar_subquery()


def _with_day(rows: FromClause, instant: ColumnElement[datetime], zone: ZoneInfo) -> FromClause:
    """Add `day`, which is going on at an instant: the one on the wall, or the next where that has begun before."""
    rows = _with(rows, instant=instant)
    rows = _with(rows, shown=cast(_wall(rows.c.instant, zone), Date))
    begun = _begins(rows.c.shown + 1, zone) <= rows.c.instant
    return _with(rows, day=case((begun, rows.c.shown + 1), else_=rows.c.shown))


def _begins(day: ColumnElement[date], zone: ZoneInfo) -> ColumnElement[datetime]:
    """Return the first instant of a local day.

    PostgreSQL takes a midnight that clocks leave out for the moment in which they are put forward, as it should be,
    and one that is on the wall twice for the later showing; so that is looked for an offset's difference earlier.
    """
    midnight = cast(day, TIMESTAMP)
    begins = _instant(midnight, zone)
    put_back = _wall(begins - TWENTY_FOUR_HOURS, zone) - (midnight - TWENTY_FOUR_HOURS)
    earlier = begins - put_back
    return func.least(begins, case((_wall(earlier, zone) >= midnight, earlier)), type_=Instant())


def _wall(instant: ColumnElement[datetime], zone: ZoneInfo) -> ColumnElement[datetime]:
    return func.timezone(literal(zone.key, Text), instant, type_=TIMESTAMP())


def _instant(wall: ColumnElement[datetime], zone: ZoneInfo) -> ColumnElement[datetime]:
    return func.timezone(literal(zone.key, Text), wall, type_=Instant())


def _with(rows: FromClause, **columns: ColumnElement[Any]) -> FromClause:
    """Add columns. The offset keeps the planner from copying each step into the next, many times over."""
    added = (column.label(name) for name, column in columns.items())
    return select(*rows.c, *added).offset(0).subquery()
