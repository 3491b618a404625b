"""Verdict: is everything on time, in one word, and what keeps it from being so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from models import PolicyName

__all__ = ["Concern", "Level", "Machinery", "Matter", "Progress", "judge", "worst"]

# Counted each minute; some minutes may be lost to a restart.
STALE = timedelta(minutes=5)
# A drain says that it lives with each batch, and `recover` wakes a sweep that has lost its drains.
SILENT = timedelta(minutes=10)
# Who falls due as a day begins waits for its tick, a day at most; more means that a tick was missed.
MISSED = timedelta(days=2)
# The whole log is to be verified once a week, from its first action on.
UNVERIFIED = timedelta(days=8)


class Level(IntEnum):
    """How bad it is; each is worse than the one before."""

    FINE = 1
    LOOK = 2
    STOPPED = 3
    LATE = 4

    @property
    def label(self) -> str:
        """The level's name."""
        return self.name.lower()


class Matter(StrEnum):
    """What a concern is about."""

    BEAT_SILENT = "beat_silent"
    BROKER_AWAY = "broker_away"
    NO_WORKER = "no_worker"
    NOT_MEASURED = "not_measured"
    HELD = "held"
    PAUSED = "paused"
    FAILED = "failed"
    OVERDUE = "overdue"
    SILENT_SWEEP = "silent_sweep"
    CATCHING_UP = "catching_up"
    ANOMALIES = "anomalies"
    QUARANTINE = "quarantine"
    FILES_OVERDUE = "files_overdue"
    FILES_REFUSED = "files_refused"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that a person should know.

    Attributes:
        number: accounts or files it is about; None where none are counted.
        since: since when, or for overdue accounts, since when the oldest is due.
    """

    matter: Matter
    level: Level
    policy: PolicyName | None = None
    sweep_id: int | None = None
    number: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How one policy gets on.

    Attributes:
        overdue: accounts that were due already at the latest tick; None before the first measurement.
        held: sweeps that a gate keeps, and since when.
        heard_at: when something last happened to a sweep that is queued or running; None where there is none.
        ended_at: when the last sweep ended; None before the first.
        failed: that sweep, where it failed.
    """

    overdue: int | None
    oldest_due_at: datetime | None = None
    paused_since: datetime | None = None
    held: Mapping[int, datetime] = field(default_factory=dict)
    heard_at: datetime | None = None
    ended_at: datetime | None = None
    failed: int | None = None


@dataclass(frozen=True, slots=True)
class Machinery:
    """What all policies need.

    Attributes:
        workers: how many answer; None where the broker does not.
        log_began_at: when the log's first action was done; None while it is empty, and nothing is to be verified.
        counts: accounts and files by matter, of anomalies, quarantine and files.
    """

    beat_alive: bool
    beat_heard_at: datetime | None
    workers: int | None
    measured_at: datetime | None
    verified_at: datetime | None
    log_began_at: datetime | None = None
    counts: Mapping[Matter, int] = field(default_factory=dict)


def judge(now: datetime, policies: Mapping[PolicyName, Progress], machinery: Machinery) -> list[Concern]:
    """Return what a person should know, the worst first, of equals what waits for a person's decision; else empty."""
    found: list[Concern] = []
    for name, progress in policies.items():
        found += _policy(now, name, progress, machinery.measured_at)
    found += _machinery(now, machinery)
    return sorted(found, key=lambda each: -each.level)


def worst(concerns: Iterable[Concern]) -> Level:
    """Return the level of all together."""
    return max((each.level for each in concerns), default=Level.FINE)


def _machinery(now: datetime, machinery: Machinery) -> Iterable[Concern]:
    if not machinery.beat_alive:
        yield Concern(Matter.BEAT_SILENT, Level.STOPPED, since=machinery.beat_heard_at)
    if machinery.workers is None:
        yield Concern(Matter.BROKER_AWAY, Level.STOPPED)
    elif machinery.workers == 0:
        yield Concern(Matter.NO_WORKER, Level.STOPPED)
    if machinery.measured_at is None or now - machinery.measured_at > STALE:
        yield Concern(Matter.NOT_MEASURED, Level.LOOK, since=machinery.measured_at)
    trusted_at = machinery.verified_at or machinery.log_began_at
    if trusted_at is not None and now - trusted_at > UNVERIFIED:
        yield Concern(Matter.UNVERIFIED, Level.LOOK, since=machinery.verified_at)
    for matter, number in machinery.counts.items():
        if number:
            yield Concern(matter, Level.LOOK, number=number)


def _policy(now: datetime, name: PolicyName, progress: Progress, measured_at: datetime | None) -> Iterable[Concern]:
    overdue = progress.overdue or 0
    stopped = Level.LATE if overdue else Level.LOOK
    for sweep_id, since in progress.held.items():
        yield Concern(Matter.HELD, stopped, name, sweep_id, since=since)
    if progress.paused_since is not None:
        yield Concern(Matter.PAUSED, stopped, name, since=progress.paused_since)
    if progress.failed is not None:
        yield Concern(Matter.FAILED, stopped, name, progress.failed, since=progress.ended_at)
    if overdue:
        matter, level = _lateness(now, progress, measured_at)
        yield Concern(matter, level, name, number=overdue, since=progress.oldest_due_at)


def _lateness(now: datetime, progress: Progress, measured_at: datetime | None) -> tuple[Matter, Level]:
    if progress.heard_at is not None and progress.paused_since is None:
        if now - progress.heard_at > SILENT:
            return Matter.SILENT_SWEEP, Level.LATE
        is_old = progress.oldest_due_at is not None and now - progress.oldest_due_at > MISSED
        return Matter.CATCHING_UP, Level.LOOK if is_old else Level.FINE
    if progress.ended_at is not None and measured_at is not None and progress.ended_at > measured_at:
        # What ended since may have done them all; the next count tells.
        return Matter.CATCHING_UP, Level.FINE
    return Matter.OVERDUE, Level.LATE
