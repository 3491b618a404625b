"""The log's partitions, as they are: how far ahead, and whether each refuses changes."""

from sqlalchemy import Connection, extract, func, select

from models import Decision
from models.partitions import PARTITIONED
from tasks.statements.partitions import prepare_log, select_partitions, select_unguarded

__all__ = ["prepare", "unguarded", "years_ahead"]


def prepare(connection: Connection) -> int:
    """Have the partitions made that are missing; returns how many were.

    Whoever reads the log at that moment is waited for, as long as the transaction waits for a lock.
    """
    return connection.execute(prepare_log()).scalar_one()


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
