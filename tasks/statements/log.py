"""Writing and reading the log: receipts and actions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Text,
    bindparam,
    func,
    insert,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from models import Action, PolicyName, Receipt

__all__ = ["ACTED_AT", "ids_of", "logged", "select_actions"]

INSTANTS = ARRAY(DateTime(timezone=True))
# When the acting statement began: under the locks, and so after whatever it found. The transaction's own time is
# earlier, and would date an action before the release of the hold that made it possible.
ACTED_AT = func.statement_timestamp()


def ids_of(touched: CTE) -> ColumnElement[list[int]]:
    """Return the account numbers of `touched` as an array, which an index is searched with, whatever the statistics."""
    return func.array(select(touched.c.account_id).scalar_subquery(), type_=ARRAY(BigInteger))


def logged(touched: CTE, changed: Mapping[str, CTE], *, action: PolicyName, sweep_id: int) -> Select[int, int]:
    """Complete an acting statement: one receipt for the batch, one action for each account in `touched`.

    Args:
        touched: rows (account_id, event_at) acted on.
        changed: what was deleted or updated, a row each, by table.
        action: what was done.
        sweep_id: the sweep it was done in.

    Parameters, besides those of `touched`:
        starts, dues: two arrays of instants: an event at `starts[i]` or later, before `starts[i + 1]`, is due
            from `dues[i]`. So the law stays where it is written, and this statement only looks it up.

    Returns one row (receipt id, accounts), or none where nothing was touched.
    """
    counts = [part for table, rows in changed.items() for part in (literal(table, Text), _count(rows))]
    receipt = (
        insert(Receipt)
        .from_select(
            ["sweep_id", "action", "accounts", "rows", "acted_at"],
            select(
                literal(sweep_id, BigInteger),
                literal(action.value),
                func.count(),
                func.jsonb_build_object(*counts),
                ACTED_AT,
            )
            .select_from(touched)
            .having(func.count() > 0),
        )
        .returning(Receipt.id, Receipt.accounts)
        .cte("receipt")
    )
    law = select(
        bindparam("starts", type_=INSTANTS).label("starts"), bindparam("dues", type_=INSTANTS).label("dues")
    ).subquery("law")
    actions = (
        insert(Action)
        .from_select(
            ["action", "account_id", "event_at", "due_at", "acted_at", "sweep_id", "receipt_id"],
            select(
                literal(action.value),
                touched.c.account_id,
                touched.c.event_at,
                law.c.dues[func.width_bucket(touched.c.event_at, law.c.starts)],
                ACTED_AT,
                literal(sweep_id, BigInteger),
                receipt.c.id,
            ).select_from(touched.join(receipt, true()).join(law, true())),
        )
        .cte("actions_of_batch")
    )
    return select(receipt.c.id, receipt.c.accounts).add_cte(actions)


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
    rows = select(*Action.__table__.columns).order_by(Action.id.desc()).limit(limit)
    if account_id is not None:
        rows = rows.where(Action.account_id == account_id)
    if sweep_id is not None:
        receipts = select(Receipt.id).where(Receipt.sweep_id == sweep_id)
        rows = rows.where(Action.receipt_id.in_(receipts))
    if before is not None:
        rows = rows.where(Action.id < before)
    return rows
