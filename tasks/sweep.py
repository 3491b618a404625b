"""A sweep: pass the gates, then several drains, each batch after batch, until a count says nothing is left."""

import structlog
from celery import shared_task

from models import SweepStatus
from tasks import events
from tasks.base import RETRYING, RetentionTask
from tasks.control import free, freeze, hold, void
from tasks.drain import send_drains
from tasks.gates import comes_from_the_future, judge
from tasks.open_sweep import open_sweep
from tasks.rules.gate import is_lasting
from tasks.statements.sweeps import start_sweep
from tasks.transaction import transaction

__all__ = ["sweep"]

# Then the minute's next sweep is to be judged; the plan goes on with the next minute.
FREEZE_SECONDS = 30

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.sweep", **RETRYING)
def sweep(self: RetentionTask, sweep_id: int) -> None:
    """Start a sweep that its gates let pass, hold it where they do not. A sweep under way is left alone."""
    runtime = self.runtime
    current, cutoff = open_sweep(runtime, sweep_id)
    if current.status not in (SweepStatus.QUEUED, SweepStatus.HELD):
        return
    if comes_from_the_future(runtime, current.as_of):
        void(runtime.engine, current)
        return
    if current.status == SweepStatus.HELD and any(map(is_lasting, current.held_for)):
        freeze(runtime.engine, current, cutoff, enough=runtime.patience(FREEZE_SECONDS))
        return
    verdict = judge(runtime, current, cutoff)
    if verdict.stops:
        hold(runtime.engine, current, verdict.stops)
        if any(stop.needs_approval for stop in verdict.stops):
            freeze(runtime.engine, current, cutoff, enough=runtime.patience(FREEZE_SECONDS))
        return
    starting = start_sweep(sweep_id, due=verdict.due, allowed=verdict.allowed, seen=current.status)
    is_freed = current.status == SweepStatus.HELD
    with transaction(runtime.engine) as connection:
        if connection.execute(starting).scalar_one_or_none() is None:
            return
        if is_freed:
            free(connection, current)
    if is_freed:
        log.warning(events.SWEEP_FREED, sweep=sweep_id, policy=current.policy)
    log.info(events.SWEEP_STARTED, sweep=sweep_id, policy=current.policy, due=current.accounts + verdict.due)
    send_drains(sweep_id, runtime.drains)
