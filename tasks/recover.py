"""Wake the sweeps that have gone quiet: a worker died, or a message was lost."""

from datetime import timedelta

import structlog
from celery import shared_task

from models import SweepStatus
from tasks import events
from tasks.base import MINUTELY, RetentionTask
from tasks.drain import send_drains
from tasks.quiet import is_resting
from tasks.statements.sweeps import select_open
from tasks.sweep import sweep
from tasks.transaction import transaction

__all__ = ["recover"]

# Waking a lane that is awake does no harm, so a drain lost in the minute's last seconds waits for one minute, not two.
SILENT = timedelta(seconds=10)
# Gates are passed anew once a minute, and a plan may take most of it to be frozen.
JUDGED = timedelta(seconds=50)

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.recover")
def recover(self: RetentionTask) -> None:
    """Send the messages again of sweeps that have gone quiet, and let gates judge held ones anew.

    What a dead worker had claimed needs no giving back: its transaction was rolled back with it.
    """
    with transaction(self.runtime.engine) as connection:
        silent = connection.execute(select_open(running=SILENT, others=JUDGED)).all()
    for each in silent:
        if each.status != SweepStatus.RUNNING:
            sweep.apply_async((each.id,), **MINUTELY)
        elif not is_resting(self.runtime, each):
            log.warning(events.SWEEP_WOKEN, sweep=each.id)
            send_drains(each.id, self.runtime.drains)
