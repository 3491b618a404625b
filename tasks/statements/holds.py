"""Reading holds."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from models import Hold
from tasks.statements.due import is_unreleased
from tasks.statements.shown import shown_columns

__all__ = ["select_holds"]


def select_holds(
    *, account_id: int | None = None, released: bool = False, now: datetime | None = None, limit: int
) -> Select[Any]:
    """Select holds, newest first: every column of `holds`, long texts cut.

    Args:
        account_id: only this account's.
        released: those that are released by then, too.
        now: when; by the database's clock unless given.
        limit: rows at most.
    """
    rows = select(*shown_columns(Hold.__table__.columns)).order_by(Hold.id.desc()).limit(limit)
    if account_id is not None:
        rows = rows.where(Hold.account_id == account_id)
    return rows if released else rows.where(is_unreleased(now or func.now()))
