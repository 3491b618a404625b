"""The log's partitions: made ahead, each minute asked for; how far ahead, and whether each refuses changes."""

from datetime import timedelta

import structlog
from celery import shared_task
from sqlalchemy import Connection, extract, func, select

from models import Decision
from models.partitions import PARTITIONED
from tasks import events
from tasks.base import RetentionTask
from tasks.statements.partitions import prepare_log, select_partitions, select_unguarded
from tasks.transaction import transaction

__all__ = ["prepare", "unguarded", "years_ahead"]

# A new partition needs the one of the rest for itself, and whoever reads the log then waits behind. It is two years
# early, and asked for each minute.
A_MOMENT = timedelta(seconds=1)

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.prepare_log")
def prepare(self: RetentionTask) -> None:
    """Have the owner's function make the partitions of the next years, where one is missing."""
    with transaction(self.runtime.engine, lock=A_MOMENT) as connection:
        made = connection.execute(prepare_log()).scalar_one()
    if made:
        log.info(events.PARTITIONS_MADE, partitions=made)


def years_ahead(connection: Connection) -> int:
    """Return for how many years after the present one both tables have their partition, without a gap."""
    present: int = connection.execute(select(extract("year", func.timezone("UTC", func.now())))).scalar_one()
    names = set(connection.scalars(select_partitions()))
    ahead = 0
    while all(f"{table}_{present + ahead + 1}" in names for table in PARTITIONED):
        ahead += 1
    return ahead


def unguarded(connection: Connection) -> list[str]:
    """Return which tables of the log, and which of its partitions, can be changed, for they lack the trigger."""
    return list(connection.scalars(select_unguarded(Decision.__tablename__)))
