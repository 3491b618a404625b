"""When the accounts of a made-up population withdrew, and when their registrations became invalid."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from models import Registration, State, Status
from models.calendar import start_of_day, today

__all__ = ["Dates", "Life", "boundaries", "life"]

MICROSECOND = timedelta.resolution
DAY = timedelta(days=1)


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


def life(dates: Dates) -> Life:
    """Draw one ordinary account."""
    rng = dates.rng
    registration = Registration.ONLINE if rng.random() < 0.7 else Registration.HELLOWORK
    status, invalidated_at = _job_seeking(dates)
    draw = rng.random()
    if draw < 0.001:
        return _anomaly(dates, registration)
    if draw < 0.72:
        return Life(registration, State.ACTIVE, status=status, invalidated_at=invalidated_at)
    if draw < 0.85:
        days_ago = 31 + int(rng.random() * 30) if rng.random() < 0.3 else int(rng.random() * 31)
        withdrawn_at = dates.some_time(days_ago)
        return Life(registration, State.WITHDRAWN, withdrawn_at, None, status, invalidated_at)
    days_ago = 62 + int(rng.random() * 1700)
    moved_at = dates.start(days_ago - 31) + timedelta(minutes=10, seconds=rng.random() * 60)
    return Life(registration, State.COUNTER_ONLY, dates.some_time(days_ago), moved_at, status, invalidated_at)


def _job_seeking(dates: Dates) -> tuple[Status | None, datetime | None]:
    rng = dates.rng
    draw = rng.random()
    if draw < 0.04:
        return None, None
    if draw < 0.45:
        return Status.VALID, None
    five_years = 5 * 366
    if draw < 0.475:  # what the worker finds due on some days
        days_ago = five_years + int(rng.random() * 35)
    elif draw < 0.48:  # what it should have found long ago
        days_ago = five_years + int(rng.random() * 3 * 365)
    else:
        days_ago = 1 + int(rng.random() * (five_years - 40))
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
    five_years_ago = day.replace(year=day.year - 5, day=min(day.day, 28))
    midnight = start_of_day(five_years_ago, dates.zone)
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
