"""Policy: `counter_only` or `purge`; which accounts, from when, and on which cron."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from models import calendar
from models.quiet_hours import QuietHours

__all__ = ["CounterOnly", "Policies", "Policy", "PolicyName", "Purge", "Reckoning"]


# Raise it when a change of this program makes other accounts due than before: sweeps are then held for a second look.
LAW = 1


class PolicyName(StrEnum):
    """What a policy does to an account; also the name of the action in the log."""

    COUNTER_ONLY = "counter_only"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How a rule is counted from an event, as facts: what a sentence in any language is made of.

    Attributes:
        event_at: the event.
        first_day: first local day that counts.
        last_day: last local day of the period; what the rule says is due from the day after.
        length: of the period, in days or years as its policy counts.
        said: the sentence, in English.
    """

    event_at: datetime
    first_day: date
    last_day: date
    length: int
    said: str


@dataclass(frozen=True, slots=True)
class CounterOnly:
    """Move withdrawn accounts whose reactivation window has closed to counter-only recovery.

    Attributes:
        days: last day on which the owner can reactivate alone.
        zone: where days begin and end, and in which `cron` is read.
        cron: five fields.
        quiet: when sweeps of the cron rest; None: never.
    """

    days: int
    zone: ZoneInfo
    cron: str
    quiet: QuietHours | None = None

    @property
    def name(self) -> PolicyName:
        """The policy's name."""
        return PolicyName.COUNTER_ONLY

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that `now` lies in; None where it lies in none."""
        return self.quiet.until(now, self.zone) if self.quiet else None

    @property
    def fingerprint(self) -> str:
        """What decides who is due, in one line: sweeps under different fingerprints follow different rules."""
        return _fingerprint(days=self.days, zone=self.zone)

    def as_before(self, fingerprint: str) -> Self | None:
        """Return the policy that had `fingerprint`; None where this program no longer knows its law."""
        known = json.loads(fingerprint)
        if known.pop("law", None) != LAW:
            return None
        return replace(self, days=known["days"], zone=ZoneInfo(known["zone"]))

    def first_event(self, day: date) -> datetime:
        """Return the earliest withdrawal that falls due later than all those before local day `day`."""
        return calendar.start_of_day(day, self.zone)

    def due_from(self, event_at: datetime) -> datetime:
        """Return the first instant at which an account withdrawn at `event_at` is due (inclusive)."""
        return calendar.window_closes(event_at, days=self.days, zone=self.zone)

    def is_over(self, event_at: datetime, now: datetime) -> bool:
        """Say whether the window of an account withdrawn at `event_at` is over; what is to come is never over."""
        return event_at <= now and self.due_from(event_at) <= now

    def cutoff(self, now: datetime) -> datetime:
        """Return the exclusive bound on `withdrawn_at` at `now`."""
        return calendar.window_cutoff(now, days=self.days, zone=self.zone)

    def reckoning(self, event_at: datetime) -> Reckoning:
        """Return how the rule is counted from a withdrawal."""
        withdrawn = calendar.today(event_at, self.zone)
        last = calendar.today(self.due_from(event_at), self.zone) - timedelta(days=1)
        said = (
            f"withdrawn on {withdrawn} in {self.zone.key}; the owner can reactivate through "
            f"day {self.days}, {last} (the service's manual, section 9.2)"
        )
        return Reckoning(event_at, withdrawn + timedelta(days=1), last, self.days, said)


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete everything on My Page some years after the job-seeking status became invalid.

    Attributes:
        years: calendar years from invalidation to deletion.
        zone: where days begin and end, and in which `cron` is read.
        cron: five fields.
        quiet: when sweeps of the cron rest; None: never.
    """

    years: int
    zone: ZoneInfo
    cron: str
    quiet: QuietHours | None = None

    @property
    def name(self) -> PolicyName:
        """The policy's name."""
        return PolicyName.PURGE

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that `now` lies in; None where it lies in none."""
        return self.quiet.until(now, self.zone) if self.quiet else None

    @property
    def fingerprint(self) -> str:
        """What decides who is due, in one line: sweeps under different fingerprints follow different rules."""
        return _fingerprint(years=self.years, zone=self.zone)

    def as_before(self, fingerprint: str) -> Self | None:
        """Return the policy that had `fingerprint`; None where this program no longer knows its law."""
        known = json.loads(fingerprint)
        if known.pop("law", None) != LAW:
            return None
        return replace(self, years=known["years"], zone=ZoneInfo(known["zone"]))

    def first_event(self, day: date) -> datetime:
        """Return the earliest invalidation that may fall due later than one as local day `day` begins."""
        return calendar.start_of_day(day, self.zone) + timedelta.resolution

    def due_from(self, event_at: datetime) -> datetime:
        """Return the first instant at which an account invalid since `event_at` is due (inclusive)."""
        return calendar.retention_ends(event_at, years=self.years, zone=self.zone)

    def is_over(self, event_at: datetime, now: datetime) -> bool:
        """Say whether the years of an account invalid since `event_at` are over; what is to come is never over."""
        return event_at <= now and self.due_from(event_at) <= now

    def cutoff(self, now: datetime) -> datetime:
        """Return the inclusive bound on `invalidated_at` at `now`."""
        return calendar.retention_cutoff(now, years=self.years, zone=self.zone)

    def reckoning(self, event_at: datetime) -> Reckoning:
        """Return how the rule is counted from an invalidation."""
        first = calendar.first_day_counted(event_at, self.zone)
        last = calendar.today(self.due_from(event_at), self.zone) - timedelta(days=1)
        said = (
            f"invalid since {event_at.astimezone(self.zone).isoformat()}; the first day that counts is "
            f"{first}, the last of {self.years} years {last} (Civil Code, articles 140, 141, 143)"
        )
        return Reckoning(event_at, first, last, self.years, said)


def _fingerprint(*, zone: ZoneInfo, **period: int) -> str:
    return json.dumps({**period, "zone": zone.key, "law": LAW}, sort_keys=True)


Policy = CounterOnly | Purge


@dataclass(frozen=True, slots=True)
class Policies:
    """Both policies. Iterating gives `purge` first: where both are due, the purge goes before."""

    purge: Purge
    counter_only: CounterOnly

    def __iter__(self) -> Iterator[Policy]:
        yield self.purge
        yield self.counter_only

    def __getitem__(self, name: str) -> Policy:
        return {policy.name.value: policy for policy in self}[name]
