"""Each minute: verify what is new in the log, and once a day begin to look through the rest again, part by part."""

from datetime import timedelta

import structlog
from celery import shared_task
from sqlalchemy import Engine, func, select

from models import Heartbeat
from models.errors import Unverified
from tasks import events
from tasks.base import RETRYING, RetentionTask
from tasks.transaction import transaction
from tasks.verify import SOURCE, verify

__all__ = ["verify_on"]

# About a second's work each minute while a second look lasts: 72 million actions a day.
AGAIN_ACTIONS = 50_000
AGAIN_AFTER = timedelta(days=1)

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.verify", **RETRYING)
def verify_on(self: RetentionTask) -> None:
    """Verify the log from where the last time left off, and tell the structured log from where to where.

    Whoever ships that log elsewhere sees there when somebody has moved the place: what is told has a gap.

    Raises:
        Unverified: the log is not as it was written.
    """
    engine = self.runtime.engine
    again = AGAIN_ACTIONS if _is_long_ago(engine) else 0
    found = verify(lambda: engine, again=again, enough=self.runtime.patience(), jobs=1)
    if found.broken is not None:
        log.error(events.LOG_BROKEN, kind=found.broken.kind.value, receipt=found.broken.receipt)
        raise Unverified(f"the log is {found.broken}")
    if found.receipts:
        log.info(
            events.LOG_VERIFIED,
            after=None if found.after is None else str(found.after),
            head=str(found.reached),
            receipts=found.receipts,
            actions=found.actions,
        )


def _is_long_ago(engine: Engine) -> bool:
    """Ask whether it is time to look at everything again, or to go on with it."""
    ended = select(Heartbeat.at > func.now() - AGAIN_AFTER).where(Heartbeat.source == SOURCE)
    with transaction(engine) as connection:
        return not connection.scalar(ended)
