"""How fast a log is verified, by one process and by two, side by side."""

from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from time import perf_counter

from psycopg import Connection
from sqlalchemy import Engine, insert, update

from benchmarks.measures import Bench
from benchmarks.populations import settle
from models import ChainHead, Receipt, Sweep
from models.proof import GENESIS, Head, chained, merkle_root, microseconds
from tasks.rules.records import ActionRecord, ReceiptRecord
from tasks.verify import verify
from worker.database import connect, migrate

__all__ = ["JOBS", "figure", "verification"]

JOBS = (1, 2)
RECEIPT_ACTIONS = 500
AT = datetime(2026, 4, 1, tzinfo=UTC)


def figure(actions: int, jobs: int) -> str:
    """Return the name of a figure."""
    return f"verification of {actions} actions, jobs {jobs}: actions/s"


def verification(bench: Bench, actions: int, rounds: int) -> None:
    """Verify a valid log of so many actions, in batches of 500, with one process and with two by turns."""
    with bench.database() as (url, engine):
        bench.say(f"making a log of {actions:,} actions")
        fill_log(engine, actions)
        connecting = partial(connect, url, pooled=False)
        for number in range(rounds):
            for jobs in JOBS if number % 2 == 0 else JOBS[::-1]:
                began = perf_counter()
                found = verify(connecting, jobs=jobs)
                seconds = perf_counter() - began
                assert (found.actions, found.broken) == (actions, None), found
                bench.note(figure(actions, jobs), actions / seconds)
                bench.say(f"verified {actions:,} actions with jobs {jobs} at {actions / seconds:,.0f}/s")


def fill_log(engine: Engine, actions: int) -> None:
    """Write a log as so many actions would have left it."""
    migrate(engine)
    ends = [*range(1, actions + 1, RECEIPT_ACTIONS), actions + 1]
    before, receipts = [Head(0, GENESIS)], []
    with engine.begin() as connection:
        connection.execute(
            insert(Sweep).values(id=1, policy="purge", as_of=AT, cutoff=AT, actor="bench", reason="bench")
        )
        driver = connection.connection.driver_connection
        assert isinstance(driver, Connection)
        with driver.cursor() as cursor, cursor.copy("COPY actions FROM STDIN") as copy:
            for number, (first, end) in enumerate(pairwise(ends), 1):
                lines = [_action(id_, receipt_id=number) for id_ in range(first, end)]
                for line in lines:
                    copy.write_row(line[:3] + (AT,) * 3 + line[6:])
                receipts.append(_receipt(number, before[-1], [line.digest for line in lines]))
                before.append(Head(number, receipts[-1].digest))
        connection.execute(insert(Receipt), [receipt._asdict() | {"acted_at": AT} for receipt in receipts])
        head, previous = before[-1], before[-2].digest
        connection.execute(
            update(ChainHead).values(number=head.number, actions=actions, previous=previous, digest=head.digest)
        )
    settle(engine)


def _action(id_: int, *, receipt_id: int) -> ActionRecord:
    at = microseconds(AT)
    said = ActionRecord(id_, "purge", id_, at, at, at, 1, receipt_id, b"")
    return said._replace(digest=said.recomputed())


def _receipt(number: int, before: Head, digests: list[bytes]) -> ReceiptRecord:
    rows, root = {"accounts": len(digests)}, merkle_root(digests)
    said = ReceiptRecord(
        number, number, 1, "purge", len(digests), rows, microseconds(AT), root, None, before.digest, b""
    )
    return said._replace(digest=chained(before.digest, number, said.body()))
