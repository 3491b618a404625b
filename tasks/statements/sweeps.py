"""Sweeps: claiming ticks, starting, ending, and what is told about them."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    Update,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from models import Heartbeat, Pause, Receipt, Sweep, SweepStatus
from models.base import Instant
from tasks.rules.cutoff import Cutoff

__all__ = [
    "beat_heart",
    "count_attempt",
    "count_batch",
    "count_ended",
    "end_sweep",
    "fail_sweep",
    "hear_sweep",
    "insert_sweep",
    "mark_canary",
    "mark_reconciled",
    "read_clock",
    "requeue_sweep",
    "reset_attempts",
    "select_heartbeats",
    "select_held_since",
    "select_open",
    "select_rows",
    "select_silent_since",
    "select_sweeps",
    "start_sweep",
]


def read_clock() -> Select[datetime]:
    """Read the database's clock: the one by which everything due is judged, whatever the workers' clocks say."""
    return select(func.clock_timestamp())


def insert_sweep(
    cutoff: Cutoff, *, as_of: datetime, tick: datetime | None, actor: str, reason: str, fingerprint: str | None
) -> ReturningInsert[int]:
    """Insert a queued sweep; returns its id, or no row where there is nothing to claim.

    The unique (policy, tick) makes a second beat, a redelivery and a retry harmless. A tick is not claimed while an
    earlier one of its policy is open, as a held one: the next after its end covers all that were missed.
    """
    columns: dict[str, ColumnElement[Any]] = {
        "policy": literal(cutoff.policy.value),
        "tick": literal(tick, Instant),
        "as_of": literal(as_of, Instant),
        "cutoff": literal(cutoff.at, Instant),
        "actor": literal(actor),
        "reason": literal(reason),
        "fingerprint": literal(fingerprint, Text),
    }
    row = select(*columns.values())
    if tick is not None:
        ticks = (Sweep.policy == cutoff.policy.value, Sweep.tick.is_not(None), Sweep.ended_at.is_(None))
        row = row.where(not_(exists().where(*ticks)))
    claimed = insert(Sweep).from_select(list(columns), row)
    return claimed.on_conflict_do_nothing(index_elements=["policy", "tick"]).returning(Sweep.id)


def start_sweep(sweep_id: int, *, due: int, allowed: int | None, seen: str) -> ReturningUpdate[int]:
    """Move a sweep to running that was queued or held, as `seen`; returns its id, or no row where it has moved on.

    Args:
        sweep_id: which.
        due: accounts that are due now.
        allowed: most that it may touch in all, until it is judged again; None where its plan says who.
        seen: its status when its gates let it pass.
    """
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == seen)
        .values(
            status=SweepStatus.RUNNING,
            due=Sweep.accounts + due,
            allowed=allowed,
            held_at=None,
            held_for=[],
            started_at=func.coalesce(Sweep.started_at, func.now()),
            heard_at=func.now(),
        )
        .returning(Sweep.id)
    )


def requeue_sweep(sweep_id: int) -> ReturningUpdate[int]:
    """Let a running sweep pass its gates again; returns its id, or no row where it is not running."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.RUNNING)
        .values(status=SweepStatus.QUEUED, heard_at=func.now())
        .returning(Sweep.id)
    )


def mark_canary(sweep_id: int) -> Update:
    """Write down that the first, small batch of a purge was verified."""
    return update(Sweep).where(Sweep.id == sweep_id).values(canary_at=func.now())


def mark_reconciled(sweep_id: int, *, to: int | None) -> Update:
    """Remember up to which receipt a sweep was found in order; it never goes back."""
    reached = func.greatest(Sweep.reconciled_to, literal(to, BigInteger))
    return update(Sweep).where(Sweep.id == sweep_id).values(reconciled_to=reached, heard_at=func.now())


def end_sweep(sweep_id: int) -> ReturningUpdate[int]:
    """Move a running sweep to done; returns its id, or no row where it has ended before."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.RUNNING)
        .values(status=SweepStatus.DONE, ended_at=func.now())
        .returning(Sweep.id)
    )


def fail_sweep(sweep_id: int, *, failure: str) -> ReturningUpdate[int]:
    """Move a sweep that has not ended to failed; returns its id, or no row where it has ended before."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.ended_at.is_(None))
        .values(status=SweepStatus.FAILED, failure=failure, held_at=None, ended_at=func.now())
        .returning(Sweep.id)
    )


def count_attempt(sweep_id: int, *, failure: str, most: int) -> ReturningUpdate[str]:
    """Count a batch's failure against its sweep, which fails with the `most`-th; returns its status."""
    spent = Sweep.attempts + 1 >= most
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.ended_at.is_(None))
        .values(
            attempts=Sweep.attempts + 1,
            failure=failure,
            status=case((spent, SweepStatus.FAILED.value), else_=Sweep.status),
            held_at=case((not_(spent), Sweep.held_at)),
            ended_at=case((spent, func.now())),
        )
        .returning(Sweep.status)
    )


def reset_attempts(sweep_id: int) -> Update:
    """Forget earlier failures of a sweep that goes on: only failures in a row count."""
    return update(Sweep).where(Sweep.id == sweep_id, Sweep.attempts > 0).values(attempts=0)


@cache
def count_batch() -> ReturningUpdate[int]:
    """Count a batch of a running sweep and lock the sweep until the commit; no row where it may not go on.

    It may not while its policy is paused, nor beyond what its ceilings allow.

    Parameters: the number of the `sweep`, and how many accounts are in the `batch`.
    """
    accounts = Sweep.accounts + bindparam("batch", type_=BigInteger)
    paused = exists().where(Pause.policy == Sweep.policy)
    return (
        update(Sweep)
        .where(
            Sweep.id == bindparam("sweep"),
            Sweep.status == SweepStatus.RUNNING,
            or_(Sweep.allowed.is_(None), accounts <= Sweep.allowed),
            not_(paused),
        )
        .values(accounts=accounts, batches=Sweep.batches + 1, heard_at=func.clock_timestamp())
        .returning(Sweep.id)
    )


def select_open(*, running: timedelta, others: timedelta) -> Select[Any]:
    """Select unended sweeps last heard of longer ago than their status allows: every column of `sweeps`.

    Or as far ahead: that was said by a clock that has been put right since.
    """
    within = case((Sweep.status == SweepStatus.RUNNING, running), else_=others)
    silent = not_(Sweep.heard_at.between(func.now() - within, func.now() + within))
    return select(*Sweep.__table__.columns).where(Sweep.ended_at.is_(None), silent).order_by(Sweep.id)


def hear_sweep(sweep_id: int) -> ReturningUpdate[int]:
    """Note that a sweep under way was seen to be well, though it does nothing now; its id, or no row if it is not."""
    running = (Sweep.id == sweep_id, Sweep.status == SweepStatus.RUNNING)
    return update(Sweep).where(*running).values(heard_at=func.clock_timestamp()).returning(Sweep.id)


def select_sweeps(
    *, ids: list[int] | None = None, unended: bool = False, before: int | None = None, limit: int | None = None
) -> Select[Any]:
    """Select sweeps, newest first: every column of `sweeps`; with `before` only those with a smaller id."""
    rows = select(*Sweep.__table__.columns).order_by(Sweep.id.desc())
    if ids is not None:
        rows = rows.where(Sweep.id.in_(ids))
    if unended:
        rows = rows.where(Sweep.ended_at.is_(None))
    if before is not None:
        rows = rows.where(Sweep.id < before)
    return rows if limit is None else rows.limit(limit)


def count_ended() -> Select[str, str, int, datetime | None]:
    """Count sweeps that have ended: rows (policy, status, sweeps, when the last of them ended)."""
    ended = select(Sweep.policy, Sweep.status, func.count(), func.max(Sweep.ended_at))
    ended = ended.where(Sweep.ended_at.is_not(None))
    return ended.group_by(Sweep.policy, Sweep.status)


def select_held_since() -> Select[str, datetime | None]:
    """Select since when a gate keeps a policy's sweeps: rows (policy, the earliest instant), of held sweeps only."""
    held = select(Sweep.policy, func.min(Sweep.held_at)).where(Sweep.ended_at.is_(None), Sweep.held_at.is_not(None))
    return held.group_by(Sweep.policy)


def select_silent_since() -> Select[str, datetime]:
    """Select since when a policy's sweep should go on: rows (policy, the earliest last sign), of none that is held."""
    going = select(Sweep.policy, func.min(Sweep.heard_at)).where(Sweep.ended_at.is_(None), Sweep.held_at.is_(None))
    return going.group_by(Sweep.policy)


def select_heartbeats() -> Select[str, datetime]:
    """Select when each part of the machinery was last at work: rows (source, at)."""
    return select(Heartbeat.source, Heartbeat.at)


def select_rows(sweep_id: int) -> Select[str, int]:
    """Select how many rows of each table a sweep deleted or updated so far: rows (table, rows), by table."""
    counted = func.jsonb_each_text(Receipt.rows).table_valued("key", "value")
    return (
        select(counted.c.key, cast(func.sum(cast(counted.c.value, BigInteger)), BigInteger))
        .select_from(Receipt)
        .join(counted, true())
        .where(Receipt.sweep_id == sweep_id)
        .group_by(counted.c.key)
        .order_by(counted.c.key)
    )


def beat_heart(source: str, *, at: datetime | None = None) -> Insert:
    """Write down that `source` was at work `at` an instant; by default now."""
    seen = insert(Heartbeat).values(source=source, at=func.now() if at is None else at)
    return seen.on_conflict_do_update(index_elements=["source"], set_={"at": seen.excluded.at})
