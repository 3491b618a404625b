"""How far behind are we, and what falls due next."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from celery import shared_task
from sqlalchemy import Connection, func

from models import Policies, Policy
from models.calendar import start_of_day, today
from tasks import events
from tasks.base import RetentionTask, Runtime
from tasks.rules.ceiling import allowances, enough_accounts
from tasks.rules.cutoff import Cutoff
from tasks.rules.gate import Limits
from tasks.standing import take_standing, write_down
from tasks.statements.control import insert_forecast, select_forecast_made, select_foreseen
from tasks.statements.due import count_accounts, count_due
from tasks.statements.standing import estimate_accounts
from tasks.statements.sweeps import read_clock
from tasks.transaction import transaction

__all__ = ["FORESEEN_DAYS", "DayForecast", "forecast", "foreseen", "measure"]

# What is shown ahead; the gates judge by the nearest of these days only.
FORESEEN_DAYS = 90

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DayForecast:
    """How many accounts fall due as one local day begins."""

    day: date
    accounts: int


@shared_task(bind=True, base=RetentionTask, name="retention.measure")
def measure(self: RetentionTask) -> None:
    """Write down where everything stands, log how late each policy is, and once a day foresee the next days."""
    engine, policies = self.runtime.engine, self.runtime.policies
    with transaction(engine) as connection:
        clocks = _clocks(connection, self.runtime)
        ceiling = _ceiling(connection, self.runtime.limits)
        standing = take_standing(connection, policies, datetime.now(UTC), clocks, ceiling)
        write_down(connection, standing)
    for policy in policies:
        with transaction(engine) as connection:
            _foresee(connection, policies, policy)
    for late in standing.policies.values():
        oldest = late.oldest_due_at
        log.info(
            events.LATENESS_MEASURED,
            policy=late.policy,
            due=late.due,
            overdue=late.overdue,
            oldest_overdue_seconds=round((standing.at - oldest).total_seconds()) if oldest else 0,
        )


def _clocks(connection: Connection, runtime: Runtime) -> dict[str, float]:
    """Return by how many seconds this process's clock is ahead of the others."""
    database = connection.execute(read_clock()).scalar_one()
    seconds = {"database": (datetime.now(UTC) - database).total_seconds()}
    return seconds | {"broker": (datetime.now(UTC) - runtime.broker_clock()).total_seconds()}


def _ceiling(connection: Connection, limits: Limits) -> int:
    """Return how many accounts a sweep may touch now; not by the forecast, with which this is to be compared.

    Each minute, so nobody is counted where PostgreSQL estimates twice as many as would have to be; until it has looked
    at a table most of which was deleted, too much is told. The gates count for themselves.
    """
    counted = enough_accounts(limits, accounts=limits.accounts)
    if connection.execute(estimate_accounts()).scalar_one() <= 2 * counted:
        counted = connection.execute(count_accounts(most=counted)).scalar_one()
    return min(allowances(limits, all_accounts=counted, expected=None).values())


def _foresee(connection: Connection, policies: Policies, policy: Policy) -> None:
    """Write down, once a day, what is expected of the next days: a sweep far beyond it waits for a person."""
    now = connection.execute(read_clock()).scalar_one()
    made_on = today(now, policy.zone)
    if connection.scalar(select_forecast_made(policy.name, made_on)) is not None:
        return
    for each in forecast(connection, policies, policy, now, days=FORESEEN_DAYS):
        expected = insert_forecast(policy.name, day=each.day, made_on=made_on, accounts=each.accounts)
        connection.execute(expected)


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


def foreseen(connection: Connection, policy: Policy, now: datetime, *, days: int) -> list[DayForecast]:
    """Return what was last foreseen of the next `days` local days; fewer, or none, where it was not foreseen lately."""
    first = today(now, policy.zone)
    rows = connection.execute(select_foreseen(policy.name, after=first, last=first + timedelta(days=days)))
    return [DayForecast(day, accounts) for day, accounts in rows]
