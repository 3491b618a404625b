"""Instants as documents show them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

__all__ = ["rfc3339"]


def rfc3339(instant: datetime | None, zone: ZoneInfo) -> str | None:
    """Return an instant as RFC 3339 with the zone's offset; None stays None."""
    if instant is None:
        return None
    try:
        return instant.astimezone(zone).isoformat()
    except OverflowError:  # the last hours of year 9999 have no local date
        return instant.astimezone(UTC).isoformat()
