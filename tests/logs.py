"""A small log made by real batches, a long one as batches would leave it, a way to change what must not change."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from builders import a_sweep, an_account, dependents
from sqlalchemy import Connection, Engine, insert, text, update

from models import ChainHead, Policies, PolicyName, Receipt
from models.proof import GENESIS, Head, chained, merkle_root, microseconds
from tasks.batch import run_batch
from tasks.chain import Entry
from tasks.rules.cutoff import Cutoff
from tasks.rules.records import ActionRecord, ReceiptRecord

__all__ = ["a_log", "a_long_log", "a_receipt", "unguarded"]

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=3000, microseconds=1)
DUE = {
    PolicyName.COUNTER_ONLY: {"state": "withdrawn", "withdrawn_at": LONG_AGO},
    PolicyName.PURGE: {"status": "invalid", "invalidated_at": LONG_AGO},
}


def a_log(
    engine: Engine, policies: Policies, accounts: int, *, policy: PolicyName = PolicyName.COUNTER_ONLY, limit: int = 3
) -> None:
    """Act on so many new accounts, in batches of up to `limit`: the log grows by as many actions."""
    cutoff = Cutoff.of(policies, policy, NOW)
    with engine.begin() as connection:
        for _ in range(accounts):
            dependents(connection, an_account(connection, **DUE[policy]))
        sweep_id = a_sweep(connection, cutoff, NOW)
    while run_batch(engine, policies[policy], cutoff, sweep_id=sweep_id, lane=0, limit=limit).claimed:
        pass


def a_receipt(
    action: str, events: Mapping[int, datetime], acted_at: datetime, after: Head, *, sweep_id: int, first_id: int = 1
) -> Entry:
    """Return what a batch would have logged of these accounts' events: the receipt that follows a head, its actions."""
    at, number, lines = microseconds(acted_at), after.number + 1, []
    for id_, (account_id, event_at) in enumerate(events.items(), first_id):
        said = ActionRecord(id_, action, account_id, microseconds(event_at), at, at, sweep_id, number, b"")
        lines.append(said._replace(digest=said.recomputed()))
    rows, root = {"accounts": len(lines)}, merkle_root([line.digest for line in lines])
    said = ReceiptRecord(number, number, sweep_id, action, len(lines), rows, at, root, None, after.digest, b"")
    return said._replace(digest=chained(after.digest, number, said.body())), lines


def a_long_log(connection: Connection, sweep_ids: Sequence[int], *, actions: int, account_id: int) -> None:
    """Write the first lines of a log: of each sweep, an hour after the one before, a receipt of so many actions.

    The accounts are gone; they are numbered from `account_id` on.
    """
    head, previous, receipts = Head(0, GENESIS), GENESIS, []
    driver = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy("COPY actions FROM STDIN") as copy:
        for number, sweep_id in enumerate(sweep_ids):
            at = NOW - timedelta(hours=len(sweep_ids) - number)
            first = number * actions
            events = dict.fromkeys(range(account_id + first, account_id + first + actions), LONG_AGO)
            receipt, lines = a_receipt("purge", events, at, head, sweep_id=sweep_id, first_id=first + 1)
            for line in lines:
                copy.write_row((*line[:3], LONG_AGO, at, at, *line[6:]))
            receipts.append(receipt._asdict() | {"acted_at": at})
            head, previous = Head(receipt.number, receipt.digest), head.digest
    connection.execute(insert(Receipt), receipts)
    said = {"number": head.number, "digest": head.digest, "previous": previous}
    connection.execute(update(ChainHead).values(actions=actions * len(receipts), **said))
    for table in ("actions", "receipts"):
        connection.execute(text(f"SELECT setval('{table}_id_seq', max(id)) FROM {table}"))


def unguarded(connection: Connection, *statements: str) -> None:
    """Run statements in this transaction as somebody with every right would: no trigger fires."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))
