"""Reading the log for its proof: receipts by their place in the chain, their actions, and what belongs to none.

Instants come as microseconds since 1970, and counts by table as text: a changed value of any kind can be read so.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, case, cast, exists, extract, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from models import Action, ChainHead, Receipt
from models.base import Instant

__all__ = [
    "lock_export",
    "select_actions_of",
    "select_ends",
    "select_followers",
    "select_heads",
    "select_place",
    "select_receipts",
    "select_replay",
    "select_stray",
    "select_unnumbered",
]

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
EXPORT_LOCK = 0x7265_7465_6E74  # any number that nobody else locks

FOLLOWERS = 10


def select_receipts(first: int, last: int) -> Select[Any]:
    """Select the receipts numbered `first` to `last`, both inclusive, in order: every column of `ReceiptRecord`."""
    return _receipts().where(Receipt.number.between(first, last)).order_by(Receipt.number, Receipt.id)


def select_unnumbered() -> Select[int]:
    """Select the id of a receipt without a number, the lowest; or no row. The index of the numbers finds it."""
    return select(Receipt.id).where(Receipt.number.is_(None)).order_by(Receipt.id).limit(1)


def select_followers(digest: bytes) -> Select[Any]:
    """Select some receipts that name `digest` as the one before. Reads all receipts: only for a chain that broke."""
    return _receipts().where(Receipt.previous == digest).order_by(Receipt.number).limit(FOLLOWERS)


def select_actions_of(receipt_ids: Sequence[int]) -> Select[Any]:
    """Select the actions of some receipts: every column of `ActionRecord`, by receipt and then by id."""
    columns = Action.__table__.columns
    wanted = func.any(literal(list(receipt_ids), ARRAY(BigInteger)))
    return (
        select(*(_microseconds(column) if isinstance(column.type, Instant) else column for column in columns))
        .where(Action.receipt_id == wanted)
        .order_by(Action.receipt_id, Action.id)
    )


def select_place(action_id: int) -> Select[int]:
    """Select the number of the receipt that an action belongs to; no row where there is no such action."""
    return select(Receipt.number).join(Action, Action.receipt_id == Receipt.id).where(Action.id == action_id)


def select_heads() -> Select[int, int, bytes, bytes, bool]:
    """Select the chain's head: a row (number, actions, previous, digest, single); more than one, or none, is a fault.

    So is one that is not `single`; the one that is comes first.
    """
    columns = (ChainHead.number, ChainHead.actions, ChainHead.previous, ChainHead.digest, ChainHead.single)
    return select(*columns).order_by(ChainHead.single.desc().nulls_last()).limit(2)


def select_ends() -> Select[int | None, int | None]:
    """Select the lowest and the highest number of a receipt: one row, of NULLs where there is no receipt."""
    return select(func.min(Receipt.number), func.max(Receipt.number))


def select_replay(digest: bytes) -> Select[int]:
    """Select the number of a receipt that repeats, after a restore, the receipt with this digest."""
    return select(Receipt.number).where(Receipt.replays == digest).order_by(Receipt.number).limit(1)


def select_stray(after: int | None = None, to: int | None = None) -> Select[int, int]:
    """Select an action that names a receipt which is not there: a row (id, receipt_id), the lowest; or no row.

    A receipt without a number has no place in the chain, so it is there for nobody.

    Args:
        after: only actions that name a receipt with a higher id.
        to: only actions that name a receipt with this id at most.
    """
    owned = exists().where(Receipt.id == Action.receipt_id, Receipt.number.is_not(None))
    rows = select(Action.id, Action.receipt_id).where(~owned)
    if after is not None:
        rows = rows.where(Action.receipt_id > after)
    if to is not None:
        rows = rows.where(Action.receipt_id <= to)
    return rows.order_by(Action.receipt_id, Action.id).limit(1)


def lock_export() -> Select[bool]:
    """Take the lock of exports until the transaction ends; false where another export has it."""
    return select(func.pg_try_advisory_xact_lock(EXPORT_LOCK))


def _receipts() -> Select[Any]:
    columns: dict[str, ColumnElement[Any]] = {column.key: column for column in Receipt.__table__.columns}
    columns |= {"rows": cast(Receipt.rows, Text), "acted_at": _microseconds(columns["acted_at"])}
    return select(*columns.values())


def _microseconds(instant: ColumnElement[datetime]) -> ColumnElement[int | None]:
    """Return an instant as microseconds since 1970; NULL where no calendar of four-digit years has it."""
    exact = cast(extract("epoch", instant) * 1_000_000, BigInteger)
    return case((instant.between(literal(EARLIEST, Instant), literal(LATEST, Instant)), exact))
