"""Claim: lock the next due accounts, so that nobody else acts on them until the batch has ended."""

from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    distinct,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, aggregate_order_by

from models import Account, JobSeeking, PolicyName
from models.base import Instant
from tasks.rules.cutoff import Cutoff
from tasks.statements.among import among
from tasks.statements.due import due_at_or_after

__all__ = ["await_lane", "await_unseen", "claim", "is_claimed", "keep_pauses_out", "take_lane", "take_turn"]

# By policy: lanes of no sweep, for sweeps are numbered from 1, below those that erasers of files have, from 0.
UNSEEN = {PolicyName.PURGE: -2, PolicyName.COUNTER_ONLY: -3}
TURN = -4


@lru_cache(maxsize=8)
def claim(cutoff: Cutoff) -> Select[int, str | None, list[date] | None, Any, Any]:
    """Lock the oldest due accounts that nobody else has locked, up to the parameter `most`.

    Returns one row: how many; their numbers as PostgreSQL writes an array, to be handed back as they are; the dates in
    UTC of their events, each once; and of the first in the order of `due` its event and number, or NULL.

    Those may be the parameters `event_at` and `account_id` of the next claim, which then begins with that account: what
    a sweep has done lies there for each claim to pass over until vacuum comes, which waits for whoever has an old
    snapshot. Who is due and comes before is for a claim without them.

    A claim is no verdict. A hold placed after this statement's snapshot but before its lock is invisible to
    it; so the acting statement judges the claimed accounts once more, with a snapshot taken under the locks.
    `FOR UPDATE`, not the weaker `FOR NO KEY UPDATE`: it keeps out new holds and whatever else names the
    account itself, whose foreign key must lock it.
    """
    tables = [Account, JobSeeking] if cutoff.policy == PolicyName.PURGE else [Account]
    place = bindparam("event_at", None, Instant), bindparam("account_id", None, BigInteger)
    locked = (
        due_at_or_after(cutoff, *place, now=func.now())
        .limit(bindparam("most", type_=Integer))
        .with_for_update(of=tables, skip_locked=True)
        .subquery()
    )
    day = cast(func.timezone("UTC", locked.c.event_at), Date)
    in_order = aggregate_order_by(locked.c.account_id, locked.c.event_at, locked.c.account_id)
    numbers = func.array_agg(in_order, type_=ARRAY(BigInteger))
    return select(
        func.count(),
        cast(numbers, Text),
        func.array_agg(distinct(day), type_=ARRAY(Date)),
        func.min(locked.c.event_at),
        numbers[1],
    )


def is_claimed(account_id: SQLColumnExpression[int], *, partitioned: bool) -> ColumnElement[bool]:
    """Return the condition that an account is among the parameter `claimed`, the array's text."""
    return among(account_id, cast(bindparam("claimed", type_=Text), ARRAY(BIGINT)), partitioned=partitioned)


@lru_cache(maxsize=64)
def take_lane(sweep_id: int, lane: int) -> Select[bool]:
    """Take one lane of a sweep until the transaction ends; the row says whether it was free.

    A courtesy, which keeps redelivered messages from crowding in; and whoever has it knows that no batch of the lane is
    at work, nor being committed.
    """
    return select(func.pg_try_advisory_xact_lock(cast(sweep_id, Integer), cast(lane, Integer)))


def take_turn() -> Select[bool]:
    """Take the turn to act beside others until the transaction ends, one for all sweeps; says whether it was free."""
    return take_lane(0, TURN)


def await_lane(sweep_id: int, lane: int) -> Select[str]:
    """Take a lane as soon as it is free, for as long as one waits for a lock."""
    return select(func.pg_advisory_xact_lock(cast(sweep_id, Integer), cast(lane, Integer)))


def keep_pauses_out(policy: PolicyName) -> Select[str]:
    """Let nobody who pauses the policy return before the transaction has ended.

    For a batch of a sweep that nobody sees yet, as it was inserted by the same transaction: right before it is sealed,
    which asks once more whether the policy is paused. The row of any other sweep is locked by that itself.
    """
    return select(func.pg_advisory_xact_lock_shared(cast(0, Integer), cast(UNSEEN[policy], Integer)))


def await_unseen(policy: PolicyName) -> Select[str]:
    """Wait for such batches of the policy that are being sealed, for as long as one waits for a lock."""
    return await_lane(0, UNSEEN[policy])
