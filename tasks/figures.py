"""The figures that a monitoring system follows: read, never counted, so asking costs the same with any population."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from models import Policies, PolicyName
from tasks.measure import FORESEEN_DAYS, foreseen
from tasks.partitions import years_ahead
from tasks.standing import Standing, read_standing
from tasks.statements.control import select_pauses
from tasks.statements.figures import count_actions, select_durations
from tasks.statements.sweeps import (
    count_ended,
    read_clock,
    select_heartbeats,
    select_held_since,
    select_silent_since,
)
from tasks.statements.verified import select_broken
from tasks.transaction import transaction

__all__ = ["AHEAD_DAYS", "ENDED", "Figures", "read_figures"]

AHEAD_DAYS = (1, 7, 30, FORESEEN_DAYS)
ENDED = ("done", "failed", "rejected")


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures at one instant; of what has never happened, zeros.

    Attributes:
        at: by the database's clock.
        standing: what was counted last; None before the first time.
        actions: accounts acted on since the log began.
        sweeps: sweeps that have ended, by policy and status.
        last_ended: when the last of them ended.
        held_since: since when the oldest held sweep of a policy is held.
        silent_since: when a sweep that is queued or running was last heard of; the quietest of each policy.
        paused_since: since when a policy is paused.
        ahead: what falls due on the next days, by policy and number of days; only for what was foreseen.
        peaks: the most that falls due on one of these days.
        heard: when each part of the machinery was last heard.
        durations: rows (up_to_seconds, batches, seconds), the quickest first.
        broken: whether the log was found broken, and not whole since.
        years_ahead: years to come for which the log has its partitions.
    """

    at: datetime
    standing: Standing | None
    actions: dict[PolicyName, int]
    sweeps: dict[tuple[PolicyName, str], int]
    last_ended: dict[tuple[PolicyName, str], datetime]
    held_since: dict[PolicyName, datetime]
    silent_since: dict[PolicyName, datetime]
    paused_since: dict[PolicyName, datetime]
    ahead: dict[tuple[PolicyName, int], int]
    peaks: dict[tuple[PolicyName, int], int]
    heard: dict[str, datetime]
    durations: list[tuple[float, int, float]]
    broken: bool
    years_ahead: int


def read_figures(engine: Engine, policies: Policies) -> Figures:
    """Read all figures.

    Raises:
        Unavailable: the database did not answer.
    """
    with transaction(engine) as connection:
        now = connection.execute(read_clock()).scalar_one()
        done = {action: accounts for action, accounts in connection.execute(count_actions())}  # noqa: C416 - rows
        ended = connection.execute(count_ended()).all()
        counted = {(policy, status): sweeps for policy, status, sweeps, _ in ended}
        ahead, peaks = _ahead(connection, policies, now)
        return Figures(
            at=now,
            standing=read_standing(connection),
            actions={name: done.get(name, 0) for name in PolicyName},
            sweeps={(name, status): counted.get((name, status), 0) for name in PolicyName for status in ENDED},
            last_ended={(PolicyName(policy), status): last for policy, status, _, last in ended if last},
            held_since={
                PolicyName(policy): since for policy, since in connection.execute(select_held_since()) if since
            },
            silent_since={PolicyName(policy): at for policy, at in connection.execute(select_silent_since())},
            paused_since={PolicyName(each.policy): each.at for each in connection.execute(select_pauses())},
            ahead=ahead,
            peaks=peaks,
            heard={source: at for source, at in connection.execute(select_heartbeats())},  # noqa: C416 - rows
            durations=[(bound, batches, seconds) for bound, batches, seconds in connection.execute(select_durations())],
            broken=connection.scalar(select_broken()) is not None,
            years_ahead=years_ahead(connection),
        )


Ahead = dict[tuple[PolicyName, int], int]


def _ahead(connection: Connection, policies: Policies, now: datetime) -> tuple[Ahead, Ahead]:
    sums: Ahead = {}
    peaks: Ahead = {}
    for policy in policies:
        accounts = [each.accounts for each in foreseen(connection, policy, now, days=FORESEEN_DAYS)]
        if accounts:
            sums |= {(policy.name, days): sum(accounts[:days]) for days in AHEAD_DAYS}
            peaks |= {(policy.name, days): max(accounts[:days]) for days in AHEAD_DAYS}
    return sums, peaks
