"""A drain: batch after batch of one sweep, for a while; then the sweep has ended, or another drain goes on."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine, Row

from models import PolicyName, SweepStatus
from models.errors import (
    BatchRefusedError,
    BatchTooLongError,
    BatchUnknownError,
    RetentionError,
    SweepStoppedError,
    Unavailable,
    Unverified,
)
from tasks import events
from tasks.base import MINUTELY, RETRYING, RetentionTask, Runtime
from tasks.batch import Batch, Check, run_batch
from tasks.erase_files import wake_erasers
from tasks.finish import give_up, reconcile_sweep
from tasks.gates import stopped_since
from tasks.open_sweep import open_sweep
from tasks.quarantine import note_failure
from tasks.quiet import is_resting
from tasks.reconcile import find_remains, looking_for_remains, verify_batch
from tasks.resolve import resolve_batch
from tasks.rules.batch_size import next_accounts
from tasks.rules.cutoff import Cutoff
from tasks.rules.lane import require_lane
from tasks.statements.claim import take_lane
from tasks.statements.control import delete_plan
from tasks.statements.sweeps import count_attempt, hear_sweep, mark_canary, requeue_sweep, reset_attempts
from tasks.transaction import transaction

__all__ = ["drain", "examination", "send_drains"]

MOST_ATTEMPTS = 5
# With the batch before it, within what a task may take.
ASKING_SECONDS = 20

log = structlog.get_logger()


def send_drains(sweep_id: int, drains: int, *, first: int = 0) -> None:
    """Wake every lane of a running sweep, or those from `first` on; one that is awake already lets the message go."""
    for lane in range(first, drains):
        drain.apply_async((sweep_id, lane), **MINUTELY)


@shared_task(bind=True, base=RetentionTask, name="retention.drain", **RETRYING)
def drain(self: RetentionTask, sweep_id: int, lane: int, unknown: int | None = None) -> None:
    """Run batches until nothing due can be claimed or the time is up; then end the sweep, or go on later.

    `unknown` is the receipt of a batch of this lane whose commit was not answered; that is cleared up first.
    """
    require_lane(lane)
    if unknown is not None and not _clear_up(self.runtime, sweep_id, lane, unknown):
        return
    current, cutoff = open_sweep(self.runtime, sweep_id)
    if current.status != SweepStatus.RUNNING or is_resting(self.runtime, current):
        return
    if stopped_since(self.runtime, cutoff):
        _pass_gates_again(self, sweep_id)
        return
    try:
        unfinished = _run_batches(self, current, cutoff, lane)
    except SweepStoppedError:
        _pass_gates_again(self, sweep_id)
        return
    except BatchRefusedError as error:
        # It may have been one moment's doing, as a row that came in between; the account is tried again.
        log.warning(events.BATCH_FAILED, sweep=sweep_id, lane=lane, failure=str(error), accounts=error.account_ids)
        drain.apply_async((sweep_id, lane), countdown=2, **MINUTELY)
        return
    except BatchUnknownError as error:
        log.warning(events.BATCH_UNKNOWN, sweep=sweep_id, lane=lane, receipt=error.receipt_id, failure=str(error))
        unfinished = _clear_up(self.runtime, sweep_id, lane, error.receipt_id)
    except Exception as error:
        _react(self, current, lane, error)
        raise
    if unfinished:
        drain.apply_async((sweep_id, lane), **MINUTELY)
    if cutoff.policy == PolicyName.PURGE:
        wake_erasers(self.runtime)


def _clear_up(runtime: Runtime, sweep_id: int, lane: int, unknown: int) -> bool:
    """Say what became of a batch, and whether the database has answered; if not, this lane asks again later.

    By a message, which never expires, for no other knows of it; or here, while Redis does not take that either.

    Raises:
        Unavailable: neither of both has answered for as long as one task asks.
    """
    time_is_up = runtime.patience(ASKING_SECONDS)
    while True:
        try:
            open_sweep(runtime, sweep_id)  # refuses one that there is not
            resolve_batch(runtime.engine, sweep_id=sweep_id, lane=lane, receipt_id=unknown)
        except Unavailable:
            with suppress(OperationalError, RedisError, OSError):
                drain.apply_async((sweep_id, lane, unknown), countdown=20)
                return False
            if time_is_up():
                raise
            sleep(1)
        else:
            return True


def _react(task: RetentionTask, current: Row[Any], lane: int, error: Exception) -> None:
    """Do what an error of a batch asks for; nothing of the batch was kept."""
    # An error of ours names codes and objects; the text of any other may quote data.
    failure = str(error) if isinstance(error, RetentionError) else type(error).__name__
    match error:
        case Unverified():
            give_up(task.runtime.engine, current, failure)
        case Unavailable():
            log.warning(events.BATCH_FAILED, sweep=current.id, lane=lane, failure=failure)
        case _:
            log.error(events.BATCH_FAILED, sweep=current.id, lane=lane, failure=failure)
            if _count_attempt(task, current.id, failure) == SweepStatus.RUNNING:
                drain.apply_async((current.id, lane), countdown=2, **MINUTELY)


def _run_batches(task: RetentionTask, current: Row[Any], cutoff: Cutoff, lane: int) -> bool:
    """Run batches; returns whether this lane has to go on in another task.

    Raises:
        BatchRefusedError: of one account alone, which is to be tried again.
    """
    runtime = task.runtime
    policy = runtime.policies[cutoff.policy]
    is_canary = cutoff.policy == PolicyName.PURGE and current.canary_at is None
    if is_canary and lane:
        return False
    examine = examination(runtime.engine, cutoff.policy)
    pace = runtime.pace
    pace.begin(runtime.is_stopping)
    time_is_up = runtime.patience()
    ours = _let_catch_up(runtime, current.id, lane, time_is_up)
    limit = min(pace.first_accounts(cutoff.policy), runtime.batch_accounts)
    if is_canary:
        limit = min(limit, runtime.limits.canary_accounts)
    overtime, place = False, None
    while ours and ((overtime and not runtime.is_stopping()) or not time_is_up()):
        began, courtesy = monotonic(), pace.courtesy()
        try:
            with runtime.span("batch", sweep=current.id, lane=lane, policy=current.policy) as tell:
                batch = run_batch(
                    runtime.engine,
                    policy,
                    cutoff,
                    sweep_id=current.id,
                    lane=lane,
                    limit=limit,
                    place=place,
                    examine=None if is_canary else examine,
                    check=_canary_check(runtime) if is_canary else None,
                    courtesy=courtesy,
                )
                if batch is not None:
                    tell(accounts=batch.accounts, receipt=batch.receipt_id or 0)
        except BatchRefusedError as error:
            _isolate(task, cutoff, current.id, error)
            # The oldest alone, and at once: another process would begin with as many as this one.
            overtime = isinstance(error, BatchTooLongError) and len(error.account_ids) > 1
            limit = 1 if overtime else max(1, len(error.account_ids) // 2)
            continue
        overtime = False
        if batch is None:
            ours = False
            break
        if not batch.claimed:
            if place is None:
                reconcile_sweep.apply_async((current.id,), **MINUTELY)
                return False
            place = None  # once more: somebody that this lane has passed by may be due by now
            continue
        place = batch.place
        seconds = monotonic() - began - courtesy.seconds
        _tell(task, current, lane, batch, seconds)
        if is_canary and batch.accounts:
            is_canary = False
            _let_others_start(task, current.id)
        rested = pace.rest(seconds, take_lane(current.id, lane), runtime.is_stopping)
        ours = rested is not None and _let_catch_up(runtime, current.id, lane, time_is_up)
        limit = next_accounts(batch.claimed, seconds, most=runtime.batch_accounts, alone=pace.alone)
    pace.remember(cutoff.policy, limit)
    return ours


def _let_catch_up(runtime: Runtime, sweep_id: int, lane: int, time_is_up: Callable[[], bool]) -> bool:
    """Rest until a replica has caught up, or comes no nearer, or the time is up; says whether this lane goes on.

    Between two rests the lane is let go: whoever clears up a batch of it waits for one of them, not for the replica.
    """
    while runtime.pace.awaits_replica and not time_is_up():
        with transaction(runtime.engine) as connection:
            if connection.scalar(hear_sweep(sweep_id)) is None:
                return False
        if runtime.pace.rest(0, take_lane(sweep_id, lane), runtime.is_stopping) is None:
            return False
    return True


def _tell(task: RetentionTask, current: Row[Any], lane: int, batch: Batch, seconds: float) -> None:
    if current.attempts:
        with transaction(task.runtime.engine) as connection:
            connection.execute(reset_attempts(current.id))
    log.info(
        events.BATCH_COMMITTED,
        sweep=current.id,
        lane=lane,
        policy=current.policy,
        accounts=batch.accounts,
        receipt=batch.receipt_id,
        head=str(batch.head) if batch.head else None,
        seconds=round(seconds, 3),
    )


def _isolate(task: RetentionTask, cutoff: Cutoff, sweep_id: int, error: BatchRefusedError) -> None:
    """Let a refused batch be split; of one account alone, count the failure until it is set aside.

    Raises:
        BatchRefusedError: the account is to be tried again.
    """
    if len(error.account_ids) > 1:
        log.warning(events.BATCH_SPLIT, sweep=sweep_id, accounts=len(error.account_ids), failure=str(error))
        return
    (account_id,) = error.account_ids
    if not note_failure(task.runtime.engine, account_id, cutoff.policy, sweep_id=sweep_id, failure=str(error)):
        raise error


def _canary_check(runtime: Runtime) -> Check:
    def check(connection: Connection, receipt_id: int) -> None:
        if findings := verify_batch(connection, runtime.policies, receipt_id):
            raise Unverified("the first batch was undone: " + "; ".join(findings))

    return check


def examination(engine: Engine, policy: PolicyName) -> Check:
    """Return what looks whether a batch has left anything that it had to take, and raises `Unverified` where it has."""
    with transaction(engine) as connection:
        looking = looking_for_remains(connection, policy)

    def examine(connection: Connection, receipt_id: int) -> None:
        if findings := find_remains(connection, looking, receipt_id):
            raise Unverified("a batch was undone: " + "; ".join(findings))

    return examine


def _let_others_start(task: RetentionTask, sweep_id: int) -> None:
    """Start the other lanes: the first, small batch has done what it should, and nothing else."""
    with transaction(task.runtime.engine) as connection:
        connection.execute(mark_canary(sweep_id))
    log.info(events.CANARY_VERIFIED, sweep=sweep_id)
    send_drains(sweep_id, task.runtime.drains, first=1)


def _pass_gates_again(task: RetentionTask, sweep_id: int) -> None:
    """Let the gates say why the sweep may not go on, or that it may."""
    with transaction(task.runtime.engine) as connection:
        queued = connection.execute(requeue_sweep(sweep_id)).one_or_none()
    if queued is not None:
        task.app.send_task("retention.sweep", (sweep_id,), **MINUTELY)


def _count_attempt(task: RetentionTask, sweep_id: int, failure: str) -> str | None:
    """Count a failure against a sweep; returns its status, None where it had ended before."""
    with transaction(task.runtime.engine) as connection:
        status = connection.execute(count_attempt(sweep_id, failure=failure, most=MOST_ATTEMPTS)).scalar_one_or_none()
        if status == SweepStatus.FAILED:
            connection.execute(delete_plan(sweep_id))
    if status == SweepStatus.FAILED:
        log.error(events.SWEEP_FAILED, sweep=sweep_id, failure=failure, attempts=MOST_ATTEMPTS)
    return status
