"""Sweeps: claiming ticks, starting, ending, and what is told about them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, Update, case, cast, func, select, true, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from models import Heartbeat, Receipt, Sweep, SweepStatus
from tasks.rules.cutoff import Cutoff

__all__ = [
    "beat_heart",
    "count_attempt",
    "count_batch",
    "end_sweep",
    "insert_sweep",
    "read_clock",
    "reset_attempts",
    "select_open",
    "select_rows",
    "select_sweeps",
    "start_sweep",
]


def read_clock() -> Select[datetime]:
    """Read the database's clock: the one by which everything due is judged, whatever the workers' clocks say."""
    return select(func.clock_timestamp())


def insert_sweep(
    cutoff: Cutoff, *, as_of: datetime, tick: datetime | None, actor: str, reason: str
) -> ReturningInsert[int]:
    """Insert a queued sweep; returns its id, or no row where somebody has claimed that tick before.

    The unique (policy, tick) makes a second beat, a redelivery and a retry harmless.
    """
    return (
        insert(Sweep)
        .values(policy=cutoff.policy, tick=tick, as_of=as_of, cutoff=cutoff.at, actor=actor, reason=reason)
        .on_conflict_do_nothing(index_elements=["policy", "tick"])
        .returning(Sweep.id)
    )


def start_sweep(sweep_id: int, *, due: int | None) -> ReturningUpdate[int]:
    """Move a queued sweep to running; returns its id, or no row where it has started before."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.QUEUED)
        .values(status=SweepStatus.RUNNING, due=due, started_at=func.now(), heard_at=func.now())
        .returning(Sweep.id)
    )


def end_sweep(sweep_id: int) -> ReturningUpdate[int]:
    """Move a running sweep to done; returns its id, or no row where it has ended before."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.RUNNING)
        .values(status=SweepStatus.DONE, ended_at=func.now())
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
            ended_at=case((spent, func.now())),
        )
        .returning(Sweep.status)
    )


def reset_attempts(sweep_id: int) -> Update:
    """Forget earlier failures of a sweep that goes on: only failures in a row count."""
    return update(Sweep).where(Sweep.id == sweep_id, Sweep.attempts > 0).values(attempts=0)


def count_batch(sweep_id: int, accounts: int) -> ReturningUpdate[int]:
    """Count a batch of a running sweep and lock the sweep until the commit; no row where it may not go on."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.RUNNING)
        .values(accounts=Sweep.accounts + accounts, batches=Sweep.batches + 1, heard_at=func.clock_timestamp())
        .returning(Sweep.id)
    )


def select_open(*, idle: timedelta) -> Select[int, str]:
    """Select sweeps that have not ended and were last heard of more than `idle` ago: rows (id, status)."""
    quiet = Sweep.heard_at < func.now() - idle
    return select(Sweep.id, Sweep.status).where(Sweep.ended_at.is_(None), quiet).order_by(Sweep.id)


def select_sweeps(*, ids: list[int] | None = None, unended: bool = False, limit: int | None = None) -> Select[Any]:
    """Select sweeps, newest first: every column of `sweeps`."""
    rows = select(*Sweep.__table__.columns).order_by(Sweep.id.desc())
    if ids is not None:
        rows = rows.where(Sweep.id.in_(ids))
    if unended:
        rows = rows.where(Sweep.ended_at.is_(None))
    return rows if limit is None else rows.limit(limit)


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


def beat_heart(source: str) -> Insert:
    """Write down that `source` is at work now."""
    seen = insert(Heartbeat).values(source=source, at=func.now())
    return seen.on_conflict_do_update(index_elements=["source"], set_={"at": seen.excluded.at})
