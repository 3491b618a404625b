"""Quiet hours: a time of each day in which a policy's sweeps rest."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

__all__ = ["QuietHours"]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` (exclusive) by the clock of a zone; over midnight where `end` is the earlier one."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hours as they are written, such as 08:00-20:00.

        Raises:
            ValueError: they are not written so, or last for no time or the whole day.
        """
        start, _, end = text.partition("-")
        hours = cls(_time(start), _time(end))
        if hours.start == hours.end:
            raise ValueError(f"{text} begins when it ends")
        return hours

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet hours end that `now` lies in; None where it lies in none."""
        local = now.astimezone(zone)
        has_begun, has_ended = local.time() >= self.start, local.time() >= self.end
        over_midnight = self.end < self.start
        inside = has_begun or not has_ended if over_midnight else has_begun and not has_ended
        if not inside:
            return None
        ends_tomorrow = over_midnight and has_begun
        return datetime.combine(local.date() + timedelta(days=ends_tomorrow), self.end, zone)


def _time(text: str) -> time:
    return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007 - a time of day, not an instant
