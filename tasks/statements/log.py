"""Writing and reading the log: receipts and actions."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    LargeBinary,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    extract,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by

from models import Action, ChainHead, PolicyName, Receipt
from models.proof import ACTION_FORM
from tasks.statements.figures import add_to_day, add_to_durations

__all__ = [
    "ACTED_AT",
    "counted",
    "extend_chain",
    "ids_of",
    "logged",
    "select_actions",
    "select_head",
    "select_ids",
    "select_log_beginning",
    "select_receipt",
]

INSTANTS_OF_ACTION = {"event_at", "due_at", "acted_at"}
INSTANTS = ARRAY(DateTime(timezone=True))
# When the acting statement began: under the locks, and so after whatever it found. The transaction's own time is
# earlier, and would date an action before the release of the hold that made it possible.
ACTED_AT = func.statement_timestamp()


def ids_of(touched: CTE) -> ColumnElement[list[int]]:
    """Return the account numbers of `touched` as an array, which an index is searched with, whatever the statistics."""
    return func.array(select(touched.c.account_id).scalar_subquery(), type_=ARRAY(BigInteger))


def logged(touched: CTE, changed: Mapping[str, CTE], *, action: PolicyName, sweep_id: int) -> Select[Any]:
    """Complete an acting statement: one action for each account in `touched`.

    Args:
        touched: rows (account_id, event_at) acted on.
        changed: what was deleted or updated, a row each, by table.
        action: what was done.
        sweep_id: the sweep it was done in.

    Parameters, besides those of `touched`:
        starts, dues: two arrays of instants: an event at `starts[i]` or later, before `starts[i + 1]`, is due
            from `dues[i]`. So the law stays where it is written, and this statement only looks it up.

    Returns one row, or none where nothing was touched: what the batch's receipt will say (receipt_id, accounts,
    rows by table, acted_at), and the digests of its actions in the order of their ids.
    """
    law = select(
        bindparam("starts", type_=INSTANTS).label("starts"), bindparam("dues", type_=INSTANTS).label("dues")
    ).subquery("law")
    receipt = (
        select(_next(Receipt).label("id"), func.count().label("accounts"))
        .select_from(touched)
        .having(func.count() > 0)
        .cte("receipt")
        .prefix_with("MATERIALIZED")
    )
    line = (
        select(
            _next(Action).label("id"),
            literal(action.value).label("action"),
            touched.c.account_id,
            touched.c.event_at,
            law.c.dues[func.width_bucket(touched.c.event_at, law.c.starts)].label("due_at"),
            ACTED_AT.label("acted_at"),
            literal(sweep_id, BigInteger).label("sweep_id"),
            receipt.c.id.label("receipt_id"),
        )
        .select_from(touched.join(receipt, true()).join(law, true()))
        .cte("line")
        .prefix_with("MATERIALIZED")
    )
    actions = (
        insert(Action)
        .from_select([*line.c.keys(), "digest"], select(*line.c, _digest(line)))
        .returning(Action.id, Action.digest)
        .cte("actions_of_batch")
    )
    digests = select(func.array_agg(aggregate_order_by(actions.c.digest, actions.c.id))).scalar_subquery()
    return select(
        receipt.c.id.label("receipt_id"),
        receipt.c.accounts,
        counted(changed).label("rows"),
        ACTED_AT.label("acted_at"),
        digests.label("digests"),
    )


@cache
def extend_chain() -> Select[int, bytes, bytes]:
    """Lock the chain's head until the commit and move it on by one receipt: one row (number, previous, digest).

    Under that lock the batch is added to its local day and to the durations, which no other batch can touch meanwhile.

    Parameters: the `body` of the receipt, how many `accounts` it is about, the `action`, and the local `day`.
    """
    number = ChainHead.number + 1
    digest = func.sha256(ChainHead.digest.concat(func.int8send(number)).concat(bindparam("body", type_=LargeBinary)))
    actions = ChainHead.actions + bindparam("accounts", type_=BigInteger)
    extended = (
        update(ChainHead)
        .values(number=number, actions=actions, previous=ChainHead.digest, digest=digest)
        .returning(ChainHead.number, ChainHead.previous, ChainHead.digest)
        .cte("extended")
    )
    added = (add_to_day(extended).cte("added_to_day"), add_to_durations(extended).cte("added_to_durations"))
    return select(extended.c.number, extended.c.previous, extended.c.digest).add_cte(*added)


def select_head() -> Select[int, int, bytes]:
    """Select the end of the chain: one row (number, actions, digest)."""
    return select(ChainHead.number, ChainHead.actions, ChainHead.digest)


def select_receipt(receipt_id: int) -> Select[int, int, bytes]:
    """Select a receipt's accounts, and its number and digest, the head it made: one row, or none if it is not there."""
    return select(Receipt.accounts, Receipt.number, Receipt.digest).where(Receipt.id == receipt_id)


def select_log_beginning() -> Select[datetime]:
    """Select when the log's first actions were done: one row (acted_at), or none while the log is empty."""
    return select(Receipt.acted_at).where(Receipt.number == 1)


def counted(changed: Mapping[str, CTE]) -> ColumnElement[dict[str, int]]:
    """Return how many rows were deleted or updated, by table, as one object."""
    counts = [part for table, rows in changed.items() for part in (literal(table, Text), _count(rows))]
    return func.jsonb_build_object(*counts, type_=JSONB)


def select_ids(model: type[Receipt | Action], *, many: int) -> Select[int]:
    """Take the next ids of a table of the log: so many rows."""
    return select(_next(model)).select_from(func.generate_series(1, many))


def _next(model: type[Receipt | Action]) -> ColumnElement[int]:
    return func.nextval(f"{model.__tablename__}_id_seq", type_=BigInteger)


def _digest(line: CTE) -> ColumnElement[bytes]:
    """Return the digest of an action, as `models.proof.action_digest` has it."""
    fields = [_microseconds(column) if column.key in INSTANTS_OF_ACTION else column for column in line.c]
    return func.sha256(func.convert_to(func.concat_ws("|", ACTION_FORM, *fields), "UTF8"), type_=LargeBinary)


def _microseconds(instant: ColumnElement[datetime]) -> ColumnElement[int]:
    return cast(extract("epoch", instant) * 1_000_000, BigInteger)


def _count(rows: CTE) -> ColumnElement[int]:
    return select(func.count()).select_from(rows).scalar_subquery()


def select_actions(
    *, account_id: int | None = None, sweep_id: int | None = None, before: int | None = None, limit: int
) -> Select[Any]:
    """Select actions, newest first: rows (id, action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id).

    Args:
        account_id: only this account's.
        sweep_id: only this sweep's.
        before: only actions with a smaller id; pages on.
        limit: rows at most.
    """
    rows = select(*Action.__table__.columns)
    if account_id is not None:
        rows = rows.where(Action.account_id == account_id)
    if before is not None:
        rows = rows.where(Action.id < before)
    if sweep_id is None:
        return rows.order_by(Action.id.desc()).limit(limit)
    # As an array, which the index is searched with, and first of all: else PostgreSQL would rather walk back through
    # the whole log until it has met enough of a large sweep, however old.
    receipts = select(Receipt.id).where(Receipt.sweep_id == sweep_id).scalar_subquery()
    rows = rows.where(Action.receipt_id == any_(func.array(receipts, type_=ARRAY(BigInteger))))
    found = rows.cte("of_sweep").prefix_with("MATERIALIZED")
    return select(*found.c).order_by(found.c.id.desc()).limit(limit)
