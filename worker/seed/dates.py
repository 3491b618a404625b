"""When the accounts of a made-up population withdrew, and when their registrations became invalid."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from models import Registration, State, Status
from models.calendar import retention_cutoff, start_of_day, today

__all__ = ["YEARS", "Dates", "Life", "boundaries", "life"]

MICROSECOND = timedelta.resolution
DAY = timedelta(days=1)
YEARS = 8
AGE_DAYS = YEARS * 365
FIVE_YEARS_DAYS = 5 * 366
# No registration runs out sooner after it was made: it is valid until the end of the second month after it.
SHORTEST_DAYS = 93
# Only the older part of the population can have been invalid for five years; so there it is more frequent.
OLD_SHARE = 1 - (FIVE_YEARS_DAYS + SHORTEST_DAYS + 35) / AGE_DAYS


@dataclass(frozen=True, slots=True)
class Life:
    """What the law asks about one account; `status` None stands for no job-seeking registration."""

    registration: Registration
    state: State
    withdrawn_at: datetime | None = None
    counter_only_at: datetime | None = None
    status: Status | None = Status.VALID
    invalidated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dates:
    """Draws instants around `now`, in days of `zone`."""

    now: datetime
    zone: ZoneInfo
    rng: Random

    def some_time(self, days_ago: int) -> datetime:
        """Return some instant of the local day so many days ago, not after now."""
        seconds = self.rng.random() * 86_400
        return min(self.start(days_ago) + timedelta(seconds=seconds), self.now)

    def office_hours(self, days_ago: int) -> datetime:
        """Return an instant between 8:30 and 17:15 of that day."""
        return self.start(days_ago) + timedelta(minutes=510 + int(self.rng.random() * 525))

    def start(self, days_ago: int) -> datetime:
        """Return the start of the local day so many days ago."""
        return start_of_day(today(self.now, self.zone) - days_ago * DAY, self.zone)

    def month_end(self, days_ago: int) -> datetime:
        """Return the midnight after the end of the month before that day: a registration that ran out."""
        first = (today(self.now, self.zone) - days_ago * DAY).replace(day=1)
        return start_of_day(first, self.zone)

    def at(self, day: date, clock: time) -> datetime:
        """Return an instant by the clock on the wall."""
        return datetime.combine(day, clock, self.zone)


def life(dates: Dates, age_days: int) -> Life:
    """Draw one ordinary account that was opened so many days ago; nothing happens to it before."""
    rng = dates.rng
    registration = Registration.ONLINE if rng.random() < 0.7 else Registration.HELLOWORK
    status, invalidated_at = _job_seeking(dates, age_days)
    draw = rng.random()
    if draw < 0.001:
        return _anomaly(dates, registration)
    if draw < 0.72:
        return Life(registration, State.ACTIVE, status=status, invalidated_at=invalidated_at)
    if draw < 0.85 and age_days > 0:
        days_ago = 31 + int(rng.random() * 30) if rng.random() < 0.3 else int(rng.random() * 31)
        withdrawn_at = dates.some_time(min(days_ago, age_days - 1))
        return Life(registration, State.WITHDRAWN, withdrawn_at, None, status, invalidated_at)
    if age_days <= 63:
        return Life(registration, State.ACTIVE, status=status, invalidated_at=invalidated_at)
    days_ago = 62 + int(rng.random() * min(1700, age_days - 63))
    moved_at = dates.start(days_ago - 31) + timedelta(minutes=10, seconds=rng.random() * 60)
    return Life(registration, State.COUNTER_ONLY, dates.some_time(days_ago), moved_at, status, invalidated_at)


def _job_seeking(dates: Dates, age_days: int) -> tuple[Status | None, datetime | None]:
    rng = dates.rng
    draw = rng.random()
    if draw < 0.04:
        return None, None
    latest = age_days - SHORTEST_DAYS
    if draw < 0.445 or latest < 1:
        return Status.VALID, None
    overdue = latest - FIVE_YEARS_DAYS
    old = rng.random() * OLD_SHARE * 0.57
    if overdue >= 35 and old < 0.025:  # what the worker finds due on some days
        days_ago = FIVE_YEARS_DAYS + int(rng.random() * 35)
    elif overdue >= 35 and old < 0.03:  # what it should have found long ago
        days_ago = FIVE_YEARS_DAYS + int(rng.random() * overdue)
    else:
        days_ago = 1 + int(rng.random() * min(FIVE_YEARS_DAYS - 40, latest))
    ran_out = rng.random() < 0.5
    return Status.INVALID, dates.month_end(days_ago) if ran_out else dates.office_hours(days_ago)


def _anomaly(dates: Dates, registration: Registration) -> Life:
    soon = dates.now + timedelta(days=1 + int(dates.rng.random() * 400))
    return dates.rng.choice(
        (
            Life(registration, State.WITHDRAWN),
            Life(registration, State.WITHDRAWN, soon),
            Life(registration, State.ACTIVE, status=Status.INVALID),
            Life(registration, State.ACTIVE, status=Status.INVALID, invalidated_at=soon),
        )
    )


def boundaries(dates: Dates) -> list[Life]:
    """Return the accounts next to every edge of the law, as it is by default: 30 days, 5 years."""
    last_moment = time(23, 59, 59, 999_999)
    day = today(dates.now, dates.zone)
    edges = [start_of_day(day - n * DAY, dates.zone) for n in (30, 31)]
    edges += [dates.at(day - n * DAY, last_moment) for n in (30, 31)]
    withdrawn = [Life(Registration.ONLINE, State.WITHDRAWN, edge) for edge in edges]
    midnight = retention_cutoff(dates.now, years=5, zone=dates.zone)
    leap = next(year for year in range(day.year - 5, 0, -1) if year % 4 == 0 and year % 100)
    invalid = [midnight - MICROSECOND, midnight, midnight + MICROSECOND]
    invalid += [
        dates.at(date(leap, 2, number), clock) for number in (28, 29) for clock in (time(), time(10), last_moment)
    ]
    invalid += [dates.at(date(leap + 1, 2, 28), time(10)), dates.at(date(leap, 3, 1), time())]
    both = Life(Registration.ONLINE, State.WITHDRAWN, dates.start(40), None, Status.INVALID, midnight)
    return [
        *withdrawn,
        *(Life(Registration.HELLOWORK, State.ACTIVE, status=Status.INVALID, invalidated_at=at) for at in invalid),
        both,
        *(_anomaly(Dates(dates.now, dates.zone, Random(n)), Registration.ONLINE) for n in range(8)),  # noqa: S311 - no secret
    ]
