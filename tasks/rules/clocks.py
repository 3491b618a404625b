"""Clocks: an input to distrust; a clock years ahead makes everybody due."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tasks.rules.gate import Gate, Limits, Stop

__all__ = ["clock_stops", "goes_on"]


def clock_stops(
    limits: Limits, *, now: datetime, others: Mapping[str, datetime], trusted: datetime | None
) -> list[Stop]:
    """Return what is wrong with the clocks.

    Args:
        limits: by how much they may differ, and how far time may jump.
        now: the database's clock, by which everything due is judged.
        others: the other clocks by name, each read at the same moment.
        trusted: the latest instant that was seen before; None at the very first look.
    """
    stops = [
        _apart(name, (clock - now).total_seconds())
        for name, clock in others.items()
        if abs((clock - now).total_seconds()) > limits.skew_seconds
    ]
    if trusted is None or goes_on(limits, now=now, trusted=trusted):
        return stops
    seconds = round((now - trusted).total_seconds())
    if now < trusted:
        seen = f"the database's clock is {-seconds:,} s behind an instant it has shown before"
    else:
        seen = f"the database's clock is {seconds / 86400:,.1f} days ahead of the last dispatch"
    detail = f"{seen} ({trusted.isoformat()}); see whether it is right, then approve or reject"
    return [*stops, Stop(Gate.CLOCK, detail, needs_approval=True, numbers={"seconds": seconds})]


def goes_on(limits: Limits, *, now: datetime, trusted: datetime) -> bool:
    """Say whether time has gone on from `trusted` to `now` as it does."""
    return timedelta(seconds=-limits.skew_seconds) <= now - trusted <= timedelta(days=limits.gap_days)


def _apart(name: str, seconds: float) -> Stop:
    detail = f"the clock of {name} is {seconds:+,.0f} s off the database's; set the clocks right"
    return Stop(Gate.CLOCK, detail, numbers={"clock": name, "seconds": round(seconds)})
