"""When a policy's cron ticks. The only place that knows croniter."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from models.base import require_aware

__all__ = ["is_cron", "latest_tick", "next_tick"]


def is_cron(expression: str) -> bool:
    """Say whether `expression` is a cron of five plain fields that ever comes true."""
    fields = expression.split()
    # croniter fills in H and R by itself, with other numbers in each process.
    hashed = any(field[0] in "HhRr" for field in fields)
    return len(fields) == 5 and not hashed and croniter.is_valid(expression, strict=True)


def latest_tick(cron: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the latest tick at or before `now`, in UTC.

    Where clocks are put back, an hour is on the wall twice; its ticks count once, at their first showing. So
    a nightly job that falls into that hour runs once.

    Raises:
        NaiveInstantError: `now` has no time zone.
    """
    # croniter looks strictly before its start and counts whole seconds: start in the second after `now`.
    start = require_aware(now).astimezone(zone).replace(microsecond=0)
    tick = croniter(cron, _forward(start, zone)).get_prev(datetime)
    return _first_showing(tick)


def next_tick(cron: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the first tick after `now` that has not been shown before, in UTC.

    Raises:
        NaiveInstantError: `now` has no time zone.
    """
    ticks = croniter(cron, require_aware(now).astimezone(zone))
    while (tick := _first_showing(ticks.get_next(datetime))) <= now:
        pass
    return tick


def _forward(instant: datetime, zone: ZoneInfo) -> datetime:
    return (instant.astimezone(UTC) + timedelta(seconds=1)).astimezone(zone)


def _first_showing(tick: datetime) -> datetime:
    return tick.replace(fold=0).astimezone(UTC)
