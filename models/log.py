"""The log: one action per account touched, one receipt per batch; appended to, never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, CheckConstraint, ForeignKey, Table, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identifier

__all__ = ["Action", "Receipt"]


class Receipt(Base):
    """One batch's record.

    Attributes:
        accounts: actions of the batch.
        rows: rows deleted or updated, by table: `{"messages": 4711, …}`.
        acted_at: when the acting statement began, under the locks of its accounts.
    """

    __tablename__ = "receipts"

    id: Mapped[Identifier]
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), index=True)
    action: Mapped[str]
    accounts: Mapped[int]
    rows: Mapped[dict[str, Any]] = mapped_column(JSONB)
    acted_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("action IN ('counter_only', 'purge')", name="action_known"),
        CheckConstraint("accounts > 0", name="accounts_positive"),
    )


class Action(Base):
    """One account moved or purged, written in the batch's own transaction.

    It outlives the account, so its number is no foreign key, and no personal data stands beside it. Its sweep
    and receipt are written by the same transaction and can never be deleted, so they are no foreign keys either.

    Attributes:
        event_at: the withdrawal or the invalidation that the action answers.
        due_at: the first instant at which the law allowed it.
        acted_at: when the acting statement began, under the locks of its accounts.
    """

    __tablename__ = "actions"

    id: Mapped[Identifier]
    action: Mapped[str]
    account_id: Mapped[int] = mapped_column(index=True)
    event_at: Mapped[datetime]
    due_at: Mapped[datetime]
    acted_at: Mapped[datetime]
    sweep_id: Mapped[int]
    receipt_id: Mapped[int] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("action IN ('counter_only', 'purge')", name="action_known"),
        CheckConstraint("due_at <= acted_at", name="not_before_due"),
    )


REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: the log is only ever appended to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def _append_only(table: Table) -> None:
    event.listen(table, "after_create", DDL(REFUSE_CHANGE.replace("%", "%%")))  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", DDL(APPEND_ONLY.format(table=table.name)))  # type: ignore[no-untyped-call]


for _model in (Receipt, Action):
    _append_only(Base.metadata.tables[_model.__tablename__])
