"""A sweep: count what is due, then several drains, each batch after batch, until a count says nothing is left."""

from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from celery import shared_task
from sqlalchemy import Row, func

from models import PolicyName, SweepStatus
from models.errors import Refused, RetentionError, SweepStoppedError, Unavailable
from tasks import events
from tasks.base import MINUTELY, RETRYING, RetentionTask
from tasks.batch import run_batch
from tasks.rules.batch_size import FIRST_ACCOUNTS, next_accounts
from tasks.rules.cutoff import Cutoff
from tasks.statements.due import count_due, oldest_due
from tasks.statements.sweeps import count_attempt, end_sweep, reset_attempts, select_sweeps, start_sweep
from tasks.transaction import transaction

__all__ = ["drain", "send_drains", "sweep"]

MOST_ATTEMPTS = 5
COUNT_PATIENCE = timedelta(seconds=15)

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.sweep", **RETRYING)
def sweep(self: RetentionTask, sweep_id: int) -> None:
    """Start a queued sweep: count what is due and send its drains. A sweep under way is left alone."""
    current, cutoff = _load(self, sweep_id)
    if current.status != SweepStatus.QUEUED:
        return
    due = _count_due(self, cutoff)
    with transaction(self.runtime.engine) as connection:
        started = connection.execute(start_sweep(sweep_id, due=due)).scalar_one_or_none()
    if started is not None:
        log.info(events.SWEEP_STARTED, sweep=sweep_id, policy=current.policy, due=due)
        send_drains(sweep_id, self.runtime.drains)


def send_drains(sweep_id: int, drains: int) -> None:
    """Wake every lane of a running sweep; one that is awake already notices and lets the message go."""
    for lane in range(drains):
        drain.apply_async((sweep_id, lane), **MINUTELY)


@shared_task(bind=True, base=RetentionTask, name="retention.drain", **RETRYING)
def drain(self: RetentionTask, sweep_id: int, lane: int) -> None:
    """Run batches until nothing due can be claimed or the time is up; then end the sweep, or go on later."""
    current, cutoff = _load(self, sweep_id)
    if current.status != SweepStatus.RUNNING:
        return
    try:
        unfinished = _run_batches(self, cutoff, sweep_id, lane, attempts=current.attempts)
    except SweepStoppedError:
        return
    except Unavailable as error:
        log.warning(events.BATCH_FAILED, sweep=sweep_id, lane=lane, failure=str(error))
        raise
    except Exception as error:
        if _count_attempt(self, sweep_id, error) == SweepStatus.RUNNING:
            # It may have been one moment's doing, as a row that came in between; the batch is tried again.
            drain.apply_async((sweep_id, lane), countdown=2, **MINUTELY)
        raise
    if unfinished:
        drain.apply_async((sweep_id, lane), **MINUTELY)


def _run_batches(task: RetentionTask, cutoff: Cutoff, sweep_id: int, lane: int, *, attempts: int) -> bool:
    """Run batches; returns whether this lane has to go on in another task."""
    runtime = task.runtime
    policy = runtime.policies[cutoff.policy]
    limit = min(FIRST_ACCOUNTS, runtime.batch_accounts)
    time_is_up = monotonic() + runtime.drain_seconds
    while monotonic() < time_is_up:
        began = monotonic()
        batch = run_batch(runtime.engine, policy, cutoff, sweep_id=sweep_id, lane=lane, limit=limit)
        if batch is None:
            return False
        if not batch.claimed:
            _end_if_nothing_is_due(task, cutoff, sweep_id)
            return False
        seconds = monotonic() - began
        if attempts:
            _reset_attempts(task, sweep_id)
            attempts = 0
        log.info(
            events.BATCH_COMMITTED,
            sweep=sweep_id,
            lane=lane,
            policy=policy.name,
            accounts=batch.accounts,
            receipt=batch.receipt_id,
            head=str(batch.head) if batch.head else None,
            seconds=round(seconds, 3),
        )
        limit = next_accounts(limit, seconds, most=runtime.batch_accounts)
    return True


def _end_if_nothing_is_due(task: RetentionTask, cutoff: Cutoff, sweep_id: int) -> None:
    """End the sweep if a plain look says so: an empty claim may only mean that others hold the last rows."""
    with transaction(task.runtime.engine) as connection:
        if connection.scalar(oldest_due(cutoff, now=func.now())) is not None:
            return
        ended = connection.execute(end_sweep(sweep_id)).scalar_one_or_none()
    if ended is not None:
        log.info(events.SWEEP_DONE, sweep=sweep_id, policy=cutoff.policy)


def _count_due(task: RetentionTask, cutoff: Cutoff) -> int | None:
    """Count what a sweep will be about, for those who watch it; None where that takes too long to wait for."""
    try:
        with transaction(task.runtime.engine, statement=COUNT_PATIENCE) as connection:
            return connection.execute(count_due(cutoff, now=func.now())).scalar_one()
    except Unavailable as error:
        log.warning(events.COUNT_GIVEN_UP, policy=cutoff.policy, failure=str(error))
        return None


def _reset_attempts(task: RetentionTask, sweep_id: int) -> None:
    with transaction(task.runtime.engine) as connection:
        connection.execute(reset_attempts(sweep_id))


def _count_attempt(task: RetentionTask, sweep_id: int, error: Exception) -> str | None:
    """Count a failure against a sweep; returns its status, None where it had ended before."""
    # An error of ours names codes and objects; the text of any other may quote data.
    failure = str(error) if isinstance(error, RetentionError) else type(error).__name__
    with transaction(task.runtime.engine) as connection:
        status = connection.execute(count_attempt(sweep_id, failure=failure, most=MOST_ATTEMPTS)).scalar_one_or_none()
    log.error(events.BATCH_FAILED, sweep=sweep_id, failure=failure)
    if status == SweepStatus.FAILED:
        log.error(events.SWEEP_FAILED, sweep=sweep_id, failure=failure, attempts=MOST_ATTEMPTS)
    return status


def _load(task: RetentionTask, sweep_id: int) -> tuple[Row[Any], Cutoff]:
    with transaction(task.runtime.engine) as connection:
        found = connection.execute(select_sweeps(ids=[sweep_id])).one_or_none()
    if found is None:
        raise Refused(f"there is no sweep {sweep_id}")
    policies = task.runtime.policies
    return found, Cutoff(PolicyName(found.policy), found.cutoff, policies.purge.cutoff(found.as_of))
