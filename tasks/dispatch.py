"""Each minute: claim the ticks that are due and wake their sweeps; wake what sleeps, erases and exports."""

from datetime import datetime

import structlog
from celery import shared_task

from models import Policy
from tasks import events
from tasks.base import MINUTELY, RetentionTask
from tasks.erase_files import wake_erasers
from tasks.export import export
from tasks.gates import distrusts_clock, trust_clock
from tasks.partitions import prepare
from tasks.recover import recover
from tasks.rules.cutoff import Cutoff
from tasks.rules.ticks import latest_tick
from tasks.statements.sweeps import beat_heart, insert_sweep
from tasks.sweep import sweep
from tasks.transaction import transaction

__all__ = ["dispatch"]

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.dispatch")
def dispatch(self: RetentionTask) -> None:
    """Claim each policy's latest tick, if nobody has yet, and wake its sweep.

    Only the latest: ticks missed while everything was down are caught up by one sweep, whose cutoff covers
    them all. A second dispatch at the same time claims nothing.
    """
    now = trust_clock(self.runtime)
    for policy in self.runtime.policies:
        sweep_id = _claim(self, policy, now)
        if sweep_id is not None:
            sweep.apply_async((sweep_id,), **MINUTELY)
    recover.apply_async(**MINUTELY)
    if not distrusts_clock(self.runtime):  # its partitions would never be used, and to make them locks the log
        prepare.apply_async(**MINUTELY)
    wake_erasers(self.runtime)
    if self.runtime.export_url:
        export.apply_async(**MINUTELY)


def _claim(task: RetentionTask, policy: Policy, now: datetime) -> int | None:
    tick = latest_tick(policy.cron, policy.zone, now)
    cutoff = Cutoff.of(task.runtime.policies, policy.name, tick)
    claiming = insert_sweep(
        cutoff, as_of=tick, tick=tick, actor="beat", reason=f"cron {policy.cron}", fingerprint=policy.fingerprint
    )
    with transaction(task.runtime.engine) as connection:
        connection.execute(beat_heart("beat"))
        sweep_id = connection.execute(claiming).scalar_one_or_none()
    if sweep_id is not None:
        log.info(
            events.SWEEP_CLAIMED,
            sweep=sweep_id,
            policy=policy.name,
            tick=tick.isoformat(),
            cutoff=cutoff.at.isoformat(),
        )
    return sweep_id
