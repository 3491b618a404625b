"""How far behind are we, and what falls due next."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from celery import shared_task
from sqlalchemy import Connection, func

from models import Policies, Policy, PolicyName
from models.calendar import start_of_day, today
from tasks import events
from tasks.base import RetentionTask
from tasks.rules.cutoff import Cutoff
from tasks.rules.ticks import latest_tick, next_tick
from tasks.statements.control import insert_forecast, select_forecast_made
from tasks.statements.due import count_due, oldest_due
from tasks.statements.sweeps import read_clock
from tasks.transaction import transaction

__all__ = ["DayForecast", "Lateness", "forecast", "lateness", "measure"]

# As long as a sweep may come late before its clock is questioned, and a day.
FORESEEN_DAYS = 8

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lateness:
    """How far behind one policy is.

    Attributes:
        due: accounts the law allows to act on now; a few hours old is normal, they wait for the next tick.
        overdue: accounts that were due already at the latest tick.
        oldest_due_at: when the oldest of `due` became due; None when nothing is.
        next_tick: when the cron next asks for a sweep.
    """

    policy: PolicyName
    due: int
    overdue: int
    oldest_due_at: datetime | None
    next_tick: datetime


@dataclass(frozen=True, slots=True)
class DayForecast:
    """How many accounts fall due as one local day begins."""

    day: date
    accounts: int


@shared_task(bind=True, base=RetentionTask, name="retention.measure")
def measure(self: RetentionTask) -> None:
    """Log for each policy what is due and how late the oldest is; once a day, foresee the next days."""
    now = datetime.now(UTC)
    for policy in self.runtime.policies:
        with transaction(self.runtime.engine) as connection:
            late = lateness(connection, self.runtime.policies, policy, now)
            _foresee(connection, self.runtime.policies, policy)
        oldest = late.oldest_due_at
        log.info(
            events.LATENESS_MEASURED,
            policy=policy.name,
            due=late.due,
            overdue=late.overdue,
            oldest_overdue_seconds=round((now - oldest).total_seconds()) if oldest else 0,
        )


def _foresee(connection: Connection, policies: Policies, policy: Policy) -> None:
    """Write down, once a day, what is expected of the next days: a sweep far beyond it waits for a person."""
    now = connection.execute(read_clock()).scalar_one()
    made_on = today(now, policy.zone)
    if connection.scalar(select_forecast_made(policy.name, made_on)) is not None:
        return
    for each in forecast(connection, policies, policy, now, days=FORESEEN_DAYS):
        expected = insert_forecast(policy.name, day=each.day, made_on=made_on, accounts=each.accounts)
        connection.execute(expected)


def lateness(connection: Connection, policies: Policies, policy: Policy, now: datetime) -> Lateness:
    """Return how far behind `policy` is at `now`."""
    tick = latest_tick(policy.cron, policy.zone, now)
    cutoff = Cutoff.of(policies, policy.name, now)
    overdue = count_due(Cutoff.of(policies, policy.name, tick), now=func.now())
    oldest_event = connection.scalar(oldest_due(cutoff, now=func.now()))
    return Lateness(
        policy=policy.name,
        due=connection.execute(count_due(cutoff, now=func.now())).scalar_one(),
        overdue=connection.execute(overdue).scalar_one(),
        oldest_due_at=None if oldest_event is None else policy.due_from(oldest_event),
        next_tick=next_tick(policy.cron, policy.zone, now),
    )


def forecast(
    connection: Connection, policies: Policies, policy: Policy, now: datetime, *, days: int
) -> list[DayForecast]:
    """Return what falls due on each of the next `days` local days, if nobody does anything until then."""
    first = today(now, policy.zone)
    rows = []
    since = Cutoff.of(policies, policy.name, now)
    for ahead in range(1, days + 1):
        day = first + timedelta(days=ahead)
        cutoff = Cutoff.of(policies, policy.name, start_of_day(day, policy.zone))
        newly_due = count_due(cutoff, now=func.now(), since=since)
        rows.append(DayForecast(day, connection.execute(newly_due).scalar_one()))
        since = cutoff
    return rows
