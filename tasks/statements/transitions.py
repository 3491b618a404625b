"""Reading an account's history."""

from typing import Any

from sqlalchemy import Select, select

from models import Transition
from tasks.statements.shown import shown_columns

__all__ = ["select_history"]


def select_history(account_id: int, *, limit: int) -> Select[Any]:
    """Select the last acts of people on an account, newest first: every column of `transitions`, long texts cut."""
    rows = select(*shown_columns(Transition.__table__.columns)).where(Transition.account_id == account_id)
    return rows.order_by(Transition.id.desc()).limit(limit)
