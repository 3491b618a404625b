"""Job seeking: the registration (求職情報), valid or invalid, and since when."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import FINITE, WORKER, Base, one_of
from models.policy import Purge

__all__ = ["JobSeeking", "Status"]


class Status(StrEnum):
    """Whether the registration may be used to look for work."""

    VALID = "valid"
    INVALID = "invalid"


class JobSeeking(Base):
    """The job-seeking registration of one account; its invalidation starts the five years."""

    __tablename__ = "job_seekings"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, autoincrement=False)
    status: Mapped[str]
    invalidated_at: Mapped[datetime | None]
    desired_occupation: Mapped[str | None]
    desired_location: Mapped[str | None]
    self_introduction: Mapped[str | None]

    __table_args__ = (
        CheckConstraint(one_of("status", *Status), name="status_known"),
        CheckConstraint("(status = 'invalid'::text) OR (invalidated_at IS NULL)", name="valid_not_invalidated"),
        CheckConstraint(FINITE.format("invalidated_at"), name="invalidated_at_finite"),
        Index(None, "invalidated_at", "account_id", postgresql_where=text("status = 'invalid'")),
        {"info": {WORKER: ("SELECT", "INSERT", "UPDATE", "DELETE")}},
    )

    def is_over(self, now: datetime, purge: Purge) -> bool:
        """Say whether the years since invalidation are over at `now`; of an unknown date they never are."""
        return (
            self.status == Status.INVALID
            and self.invalidated_at is not None
            and purge.is_over(self.invalidated_at, now)
        )
