"""What is asked often and takes long to count: counted each minute, or added to by each batch."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, Double, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

__all__ = ["BatchDuration", "DayOfActions", "Measurement"]


class Measurement(Base):
    """What was counted last: one row, overwritten each minute.

    Attributes:
        at: when it was counted.
        figures: `tasks.standing.Standing` as JSON.
    """

    __tablename__ = "measurements"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    at: Mapped[datetime]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (CheckConstraint("single", name="only_one"),)


class DayOfActions(Base):
    """What all receipts of one local day and one action add up to, kept by the batches' own transactions.

    Attributes:
        day: local date of the receipts' `acted_at`.
        accounts: actions.
        batches: receipts.
    """

    __tablename__ = "days_of_actions"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    action: Mapped[str] = mapped_column(primary_key=True)
    accounts: Mapped[int]
    batches: Mapped[int]

    __table_args__ = (CheckConstraint("action IN ('counter_only', 'purge')", name="action_known"),)


class BatchDuration(Base):
    """How many batches took how long, from the first statement to the chain's head; counted since there is this table.

    Attributes:
        up_to_seconds: upper bound, inclusive; infinity for the longest.
        batches: that took no longer, and longer than the next lower bound.
        seconds: that these took together.
    """

    __tablename__ = "batch_durations"

    up_to_seconds: Mapped[float] = mapped_column(Double, primary_key=True)
    batches: Mapped[int]
    seconds: Mapped[float] = mapped_column(Double)
