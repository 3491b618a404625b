"""Reading the chain from the database, receipt by receipt with its actions, in as much memory as one portion takes."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row

from models.proof import GENESIS, Head
from tasks.rules.records import ActionRecord, ReceiptRecord
from tasks.statements.proof import select_actions_of, select_heads, select_receipts
from tasks.transaction import transaction

__all__ = ["Entry", "entries", "head_at", "head_now", "receipts", "receipts_of", "snapshot"]

PORTION_ACTIONS = 10_000
STREAMED_RECEIPTS, STREAMED_ACTIONS = 500, 2_000
# One look at all of a large log, as for an action that belongs to no receipt, takes its time.
PATIENCE = timedelta(hours=2)

Entry = tuple[ReceiptRecord, list[ActionRecord]]


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction all of whose statements see the log as it is now; nothing can be written in it."""
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with transaction(reading, statement=PATIENCE) as connection:
        yield connection


def entries(connection: Connection, first: int, last: int) -> Generator[Entry]:
    """Read the receipts numbered `first` to `last`, both inclusive, in order, each with its actions by their ids.

    Of a receipt that more actions name than it says, one too many is read.
    """
    portion: list[ReceiptRecord] = []
    actions = 0
    for receipt in receipts(connection, first, last):
        portion.append(receipt)
        actions += _said(receipt)
        if actions >= PORTION_ACTIONS:
            yield from _with_actions(connection, portion)
            portion, actions = [], 0
    yield from _with_actions(connection, portion)


def receipts(connection: Connection, first: int, last: int) -> Iterator[ReceiptRecord]:
    """Read the receipts numbered `first` to `last`, both inclusive, in order."""
    options = {"yield_per": STREAMED_RECEIPTS}
    with connection.execute(select_receipts(first, last), execution_options=options) as found:
        yield from receipts_of(found)


def receipts_of(rows: Any) -> Iterator[ReceiptRecord]:
    """Return as records what `tasks.statements.proof` selects from receipts."""
    return (_receipt(row) for row in rows)


def head_at(connection: Connection, number: int) -> Head | None:
    """Return the stored head of the chain's first `number` receipts; None where there are not so many."""
    if number == 0:
        return Head(0, GENESIS)
    found = next(receipts(connection, number, number), None)
    return None if found is None else Head(number, found.digest)


def head_now(connection: Connection) -> Head | None:
    """Return the chain's head as its own table has it; None where that holds none."""
    row = connection.execute(select_heads()).first()
    return None if row is None else Head(row.number, row.digest)


def _with_actions(connection: Connection, portion: Sequence[ReceiptRecord]) -> Iterator[Entry]:
    if not portion:
        return
    actions: dict[int, list[ActionRecord]] = {receipt.id: [] for receipt in portion}
    most = {receipt.id: _said(receipt) + 1 for receipt in portion}
    options = {"yield_per": STREAMED_ACTIONS}
    with connection.execute(select_actions_of(list(actions)), execution_options=options) as found:
        for row in found:
            action = ActionRecord._make(row)
            if len(actions[action.receipt_id]) < most[action.receipt_id]:
                actions[action.receipt_id].append(action)
    for receipt in portion:
        yield receipt, actions[receipt.id]


def _said(receipt: ReceiptRecord) -> int:
    """Return how many actions a receipt says it has; one that was tampered with may say anything."""
    return receipt.accounts if receipt.is_well_formed() else 0


def _receipt(row: Row[Any]) -> ReceiptRecord:
    receipt = ReceiptRecord._make(row)
    try:
        rows = json.loads(str(receipt.rows))
    except (ValueError, RecursionError):  # numbers of thousands of digits, or nested as deeply: nothing of ours
        rows = None
    return receipt._replace(rows=rows)
