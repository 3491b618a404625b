"""Whether accounts are partitioned by their hash, into how many, and whether each partition is whole."""

from collections.abc import Iterator

from sqlalchemy import Connection

from models import Account
from tasks.statements import hash_partitions as statements
from tasks.statements.hash_partitions import count_partitions, select_flaws
from tasks.statements.purge import owned_tables

__all__ = ["acts_by_partition", "is_partitioned", "partition_faults", "partitions"]


def partitions(connection: Connection) -> int:
    """Return into how many partitions accounts are divided; 0 where they are one table."""
    return _counted(connection).get(Account.__tablename__, 0)


def is_partitioned(connection: Connection) -> bool:
    """Say whether accounts, and all that is theirs, are partitioned by the hash of the account."""
    return bool(connection.scalar(statements.is_partitioned()))


def acts_by_partition(connection: Connection) -> bool:
    """Say whether accounts are partitioned by their hash; if so, prepare the transaction for acting on some of them."""
    partitioned = is_partitioned(connection)
    if partitioned:
        connection.execute(statements.look_up_by_index())
    return partitioned


def partition_faults(connection: Connection) -> Iterator[str]:
    """Yield what is wrong with the partitions by hash, a sentence each; nothing where there are none."""
    counts = _counted(connection)
    if not counts:
        return
    number = counts.get(Account.__tablename__, 0)
    for table in sorted(each.name for each in owned_tables()):
        if counts.get(table, 0) != number:
            yield f"accounts are in {number} partitions, {table} in {counts.get(table, 0)}: they must be in as many"
    for place, what in connection.execute(select_flaws()):
        yield f"{place} lacks {what}, or it is disabled"


def _counted(connection: Connection) -> dict[str, int]:
    return {row.relname: row.partitions for row in connection.execute(count_partitions())}
