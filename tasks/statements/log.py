"""Writing and reading the log: receipts and actions."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Insert,
    Select,
    bindparam,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import ReturningInsert

from models import Action, PolicyName, Receipt

__all__ = ["insert_actions", "insert_receipt", "select_actions"]

INSTANTS = ARRAY(DateTime(timezone=True))


def insert_receipt(*, sweep_id: int, action: PolicyName, accounts: int, rows: dict[str, int]) -> ReturningInsert[int]:
    """Insert one batch's receipt; returns its id."""
    return (
        insert(Receipt)
        .values(sweep_id=sweep_id, action=action, accounts=accounts, rows=rows, acted_at=func.now())
        .returning(Receipt.id)
    )


def insert_actions(*, sweep_id: int, action: PolicyName, receipt_id: int) -> Insert:
    """Insert one action per account from three arrays of one length: `accounts`, `events`, `dues`."""
    return insert(Action).from_select(
        ["account_id", "event_at", "due_at", "action", "sweep_id", "receipt_id", "acted_at"],
        select(
            func.unnest(bindparam("accounts", type_=ARRAY(BigInteger))),
            func.unnest(bindparam("events", type_=INSTANTS)),
            func.unnest(bindparam("dues", type_=INSTANTS)),
            literal(action.value),
            literal(sweep_id, BigInteger),
            literal(receipt_id, BigInteger),
            func.now(),
        ),
    )


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
