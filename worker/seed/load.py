"""Writing a made-up population into the database: by COPY, in one transaction, all or nothing."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    Constraint,
    Engine,
    ForeignKeyConstraint,
    Index,
    Table,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

from models import Account, Message
from models.errors import Refused
from tasks.children import end_with_parent
from tasks.hash_partitions import is_partitioned
from tasks.statements.purge import owned_tables
from tasks.transaction import transaction
from worker.seed.population import CHUNK_ACCOUNTS, COLUMNS, Chunk, blocks

__all__ = ["Population", "seed"]

Derived = Index | Constraint

PROCESSES = 1
# Enough to keep every process busy, few enough that memory does not depend on the number of accounts.
CHUNKS_IN_FLIGHT = 4
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Population:
    """Which population to write: the same values give the same rows.

    Attributes:
        accounts: how many.
        seed: which of many populations.
        now: its present; its dates lie around it.
        zone: where its days begin and end.
    """

    accounts: int
    seed: int
    now: datetime
    zone: ZoneInfo

    def chunks(self, after_account: int, after_message: int) -> Iterator[Chunk]:
        """Yield its chunks, with ids behind those given."""
        for number, first in enumerate(range(0, self.accounts, CHUNK_ACCOUNTS)):
            size = min(CHUNK_ACCOUNTS, self.accounts - first)
            yield Chunk(self.seed, number, size, self.accounts, after_account, after_message, self.now, self.zone)


def seed(engine: Engine, population: Population, *, append: bool, progress: Callable[[int], None]) -> dict[str, int]:
    """Write a made-up population.

    Args:
        engine: connects to a migrated database.
        population: what to write.
        append: add to accounts that are there already.
        progress: called with the number of further accounts written.

    Returns:
        Rows written, by table.

    Raises:
        Refused: there are accounts already, and `append` is not set; nothing was written.
        Unavailable: the database did not answer; nothing was written.
    """
    with transaction(engine, statement=PATIENCE) as connection:
        filled = connection.scalar(select(Account.id).limit(1)) is not None
        if filled and not append:
            raise Refused("the database holds accounts already; seed an empty one, or add to it with --append")
        chunks = population.chunks(_last_number(connection, Account), _last_number(connection, Message))
        if filled or is_partitioned(connection):
            rows = _copy(connection, chunks, progress)
        else:
            # Indexes and foreign keys are built once at the end, much faster than row by row.
            _drop_derived(connection)
            rows = _copy(connection, chunks, progress)
            _create_derived(connection)
        _advance_identities(connection)
        for table in owned_tables():
            connection.execute(text(f"ANALYZE {table.name}"))
    return rows


def _copy(connection: Connection, chunks: Iterator[Chunk], progress: Callable[[int], None]) -> dict[str, int]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the only driver there is here
    written: Counter[str] = Counter()
    for chunk, made in _made(chunks):
        for table, block in made.items():
            written[table] += _copy_block(driver, table, block)
        progress(chunk.accounts)
    return dict(written)


def _copy_block(driver: psycopg.Connection, table: str, block: bytes) -> int:
    statement = f"COPY {table} ({COLUMNS[table].replace(' ', ', ')}) FROM STDIN"
    try:
        with driver.cursor() as cursor:
            with cursor.copy(statement.encode()) as copy:
                copy.write(block)
            return cursor.rowcount
    except psycopg.Error as error:
        # As SQLAlchemy would raise it, so that the transaction gives it one of our names.
        raise DBAPIError(statement, None, error, connection_invalidated=driver.broken) from None


def _made(chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, dict[str, bytes]]]:
    """Yield each chunk with its blocks, made in other processes a few ahead."""
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(PROCESSES, mp_context=spawn, initializer=end_with_parent)
    try:
        making: deque[tuple[Chunk, Future[dict[str, bytes]]]] = deque()
        making.extend((chunk, executor.submit(blocks, chunk)) for chunk in islice(chunks, CHUNKS_IN_FLIGHT))
        while making:
            chunk, future = making.popleft()
            yield chunk, future.result()
            making.extend((next_one, executor.submit(blocks, next_one)) for next_one in islice(chunks, 1))
    finally:
        executor.shutdown(cancel_futures=True)


def _derived() -> list[Derived]:
    """Return what is built from rows: what others rest on first, foreign keys last."""
    derived: list[Derived] = []
    for table in owned_tables():
        derived += sorted(table.indexes, key=lambda index: str(index.name))
        derived += sorted(table.constraints - _checks(table), key=lambda constraint: str(constraint.name))
    return sorted(derived, key=lambda each: isinstance(each, ForeignKeyConstraint))


def _checks(table: Table) -> set[Constraint]:
    return {each for each in table.constraints if isinstance(each, CheckConstraint)}


def _drop_derived(connection: Connection) -> None:
    for each in reversed(_derived()):
        connection.execute(DropIndex(each) if isinstance(each, Index) else DropConstraint(each))


def _create_derived(connection: Connection) -> None:
    connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    for each in _derived():
        connection.execute(
            CreateIndex(each) if isinstance(each, Index) else AddConstraint(each, isolate_from_table=False)
        )


def _last_number(connection: Connection, model: type[Account | Message]) -> int:
    """Return the highest number ever given, also to a row that is gone: the log must never speak of two accounts."""
    highest = select(func.max(model.id)).scalar_subquery()
    given = func.greatest(highest, func.pg_sequence_last_value(_sequence(model)), 0)
    number: int = connection.execute(select(given)).scalar_one()
    return number


def _advance_identities(connection: Connection) -> None:
    for model in (Account, Message):
        if last := _last_number(connection, model):
            connection.execute(select(func.setval(_sequence(model), last)))


def _sequence(model: type[Account | Message]) -> ColumnElement[str]:
    return cast(func.pg_get_serial_sequence(model.__tablename__, "id"), REGCLASS)
