"""The log: one action per account touched, one receipt per batch, chained; appended to, never changed.

Both tables are partitioned by year, `models.partitions` says how. A key of the whole table would have to include
`acted_at` and would then forbid nothing. So `id` is the mapper's key, and the primary key of each partition.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, BigInteger, CheckConstraint, ForeignKey, Identity, Table, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import WORKER, Base

__all__ = ["Action", "ChainHead", "Receipt", "append_only"]

BY_TIME = "RANGE (acted_at)"


class Receipt(Base):
    """One batch's record, chained to the receipt before; `models.proof` says how.

    Attributes:
        number: its place in the chain, from 1, without gaps; each is given out under the lock on the chain's head.
        accounts: actions of the batch.
        rows: rows deleted or updated, by table: `{"messages": 4711, …}`.
        acted_at: when the acting statement began, under the locks of its accounts.
        root: Merkle root over the digests of its actions.
        replays: digest of the receipt that this one repeats after a restore; NULL for a batch of its own.
        previous: digest of the receipt before; zeros for the first.
        digest: binds it, and so all before it.
    """

    __tablename__ = "receipts"

    id: Mapped[int] = mapped_column(BigInteger, Identity())
    number: Mapped[int]
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), index=True)
    action: Mapped[str]
    accounts: Mapped[int]
    rows: Mapped[dict[str, Any]] = mapped_column(JSONB)
    acted_at: Mapped[datetime]
    root: Mapped[bytes]
    replays: Mapped[bytes | None] = mapped_column(index=True)
    previous: Mapped[bytes]
    digest: Mapped[bytes] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("action IN ('counter_only', 'purge')", name="action_known"),
        CheckConstraint("accounts > 0", name="accounts_positive"),
        CheckConstraint("octet_length(digest) = 32", name="digest_whole"),
        {"postgresql_partition_by": BY_TIME},
    )
    __mapper_args__ = {"primary_key": ["id"]}  # noqa: RUF012 - SQLAlchemy's contract


class ChainHead(Base):
    """The end of the chain: one row, locked by each batch as the last thing before its commit.

    Attributes:
        number: of the last receipt; 0 before the first.
        actions: in all receipts.
        previous: digest of the receipt before the last.
        digest: of the last receipt.
    """

    __tablename__ = "chain_heads"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    number: Mapped[int]
    actions: Mapped[int]
    previous: Mapped[bytes]
    digest: Mapped[bytes]

    __table_args__ = (
        CheckConstraint("single", name="only_one"),
        {"info": {WORKER: ("SELECT", "UPDATE")}},
    )


class Action(Base):
    """One account moved or purged, written in the batch's own transaction.

    It outlives the account, so its number is no foreign key, and no personal data stands beside it. Its sweep
    and receipt are written by the same transaction and can never be deleted, so they are no foreign keys either.

    Attributes:
        event_at: the withdrawal or the invalidation that the action answers.
        due_at: the first instant at which the law allowed it.
        acted_at: when the acting statement began, under the locks of its accounts.
        digest: over all of it, as `models.proof` says.
    """

    __tablename__ = "actions"

    id: Mapped[int] = mapped_column(BigInteger, Identity())
    action: Mapped[str]
    account_id: Mapped[int] = mapped_column(index=True)
    event_at: Mapped[datetime]
    due_at: Mapped[datetime]
    acted_at: Mapped[datetime]
    sweep_id: Mapped[int]
    receipt_id: Mapped[int] = mapped_column(index=True)
    digest: Mapped[bytes]

    __table_args__ = (
        CheckConstraint("action IN ('counter_only', 'purge')", name="action_known"),
        CheckConstraint("due_at <= acted_at", name="not_before_due"),
        {"postgresql_partition_by": BY_TIME},
    )
    __mapper_args__ = {"primary_key": ["id"]}  # noqa: RUF012 - SQLAlchemy's contract


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


def append_only(table: Table) -> None:
    """Let the database refuse UPDATE, DELETE and TRUNCATE on a table; the worker may read it and add to it."""
    table.info[WORKER] = ("SELECT", "INSERT")
    event.listen(table, "after_create", DDL(REFUSE_CHANGE.replace("%", "%%")))  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", DDL(APPEND_ONLY.format(table=table.name)))  # type: ignore[no-untyped-call]


for _model in (Receipt, Action):
    append_only(Base.metadata.tables[_model.__tablename__])
