"""Instants as documents show them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["rfc3339"]

MINUTE = timedelta(minutes=1)


def rfc3339(instant: datetime | None, zone: ZoneInfo) -> str | None:
    """Return an instant as RFC 3339 with the zone's offset; None stays None.

    In UTC where that has no such form: the ends of the calendar have no local date in some zones, and long ago clocks
    differed from UTC by seconds.
    """
    if instant is None:
        return None
    try:
        local = instant.astimezone(zone)
    except OverflowError:
        local = instant.astimezone(UTC)
    offset = local.utcoffset()
    return (local.astimezone(UTC) if offset and offset % MINUTE else local).isoformat()
