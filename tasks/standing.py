"""Where the worker stands: what is due, late, held, odd and left, counted at one instant and written down.

Counting takes as long as there is much to count. So each minute one task counts, and whoever is asked meanwhile reads
what it wrote.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, func

from models import Policies, Policy, PolicyName
from tasks.files import FilesLeft, files_left
from tasks.rules.cutoff import Cutoff
from tasks.rules.ticks import latest_tick, next_tick
from tasks.statements.due import count_anomalies, count_anomalous, count_held, count_holds, count_late
from tasks.statements.quarantine import count_failures, count_set_aside
from tasks.statements.standing import select_standing, write_standing

__all__ = ["Lateness", "Standing", "lateness", "read_standing", "take_standing", "write_down"]


@dataclass(frozen=True, slots=True)
class Lateness:
    """How far behind one policy is.

    Attributes:
        due: accounts the law allows to act on now; a few hours old is normal, they wait for the next tick.
        overdue: accounts that were due already at the latest tick.
        oldest_due_at: when the oldest of `due` became due; None when nothing is.
        next_tick: when the cron next asks for a sweep.
        held: accounts that would be due but for a hold.
    """

    policy: PolicyName
    due: int
    overdue: int
    oldest_due_at: datetime | None
    next_tick: datetime
    held: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What was counted at one instant.

    Attributes:
        at: by the clock of whoever counted.
        policies: how far behind each is.
        anomalies: accounts by kind; an account may be of several.
        anomalous: accounts of any kind.
        holds: accounts with an unreleased hold.
        quarantine: accounts set aside, by policy.
        quarantine_failures: the same by what failed.
        files: what purges left in object storage.
        clocks: by how many seconds the clock of whoever counted is ahead of another's, by whose it is.
        ceiling: most accounts that one sweep may touch without approval; None where it was not asked for.
    """

    at: datetime
    policies: dict[PolicyName, Lateness]
    anomalies: dict[str, int]
    anomalous: int
    holds: int
    quarantine: dict[str, int]
    quarantine_failures: dict[str, int]
    files: FilesLeft
    clocks: dict[str, float]
    ceiling: int | None = None


STANDING = TypeAdapter(Standing)


def take_standing(
    connection: Connection,
    policies: Policies,
    now: datetime,
    clocks: dict[str, float] | None = None,
    ceiling: int | None = None,
) -> Standing:
    """Count everything as of `now`; whether a date is yet to come is for the database's clock to say, as always."""
    return Standing(
        at=now,
        policies={policy.name: lateness(connection, policies, policy, now) for policy in policies},
        anomalies={kind: accounts for kind, accounts in connection.execute(count_anomalies(now=func.now()))},  # noqa: C416 - rows
        anomalous=connection.execute(count_anomalous(now=func.now())).scalar_one(),
        holds=connection.execute(count_holds(now=func.now())).scalar_one(),
        quarantine={policy: accounts for policy, accounts in connection.execute(count_set_aside())},  # noqa: C416 - rows
        quarantine_failures={failure: accounts for failure, accounts in connection.execute(count_failures())},  # noqa: C416 - rows
        files=files_left(connection),
        clocks=clocks or {},
        ceiling=ceiling,
    )


def write_down(connection: Connection, standing: Standing) -> None:
    """Write a standing down in the place of the one before."""
    connection.execute(write_standing(standing.at, STANDING.dump_python(standing, mode="json")))


def read_standing(connection: Connection) -> Standing | None:
    """Return the standing that was written down last; None before the first."""
    figures = connection.scalar(select_standing())
    return None if figures is None else STANDING.validate_python(figures)


def lateness(connection: Connection, policies: Policies, policy: Policy, now: datetime) -> Lateness:
    """Return how far behind `policy` is at `now`."""
    tick = latest_tick(policy.cron, policy.zone, now)
    cutoff = Cutoff.of(policies, policy.name, now)
    late = count_late(cutoff, tick=Cutoff.of(policies, policy.name, tick), now=func.now())
    due, overdue, oldest_event = connection.execute(late).one()
    return Lateness(
        policy=policy.name,
        due=due,
        overdue=overdue,
        oldest_due_at=None if oldest_event is None else policy.due_from(oldest_event),
        next_tick=next_tick(policy.cron, policy.zone, now),
        held=connection.execute(count_held(cutoff, now=func.now())).scalar_one(),
    )
