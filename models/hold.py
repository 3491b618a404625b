"""Hold: nobody may touch this account until it is released."""

from datetime import datetime

from sqlalchemy import DDL, Index, Table, event, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import SHOWN, WEB_SERVER, WORKER, Base, Identifier
from models.errors import Refused
from models.my_page import OwnerId

__all__ = ["Hold"]


class Hold(Base):
    """Stops both actions on one account while `released_at` is NULL or yet to come; kept as history afterwards."""

    __tablename__ = "holds"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    reason: Mapped[str] = mapped_column(info={SHOWN: True})
    placed_by: Mapped[str] = mapped_column(info={SHOWN: True})
    placed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    released_at: Mapped[datetime | None] = mapped_column(index=True)
    released_by: Mapped[str | None] = mapped_column(info={SHOWN: True})
    release_reason: Mapped[str | None] = mapped_column(info={SHOWN: True})

    __table_args__ = (
        Index("ix_holds_unreleased", "account_id", postgresql_where=text("released_at IS NULL")),
        {
            "info": {
                WORKER: ("SELECT", "INSERT", "UPDATE", "DELETE"),
                WEB_SERVER: {"INSERT": None, "UPDATE": ("placed_at", "released_at", "released_by", "release_reason")},
            }
        },
    )

    __mapper_args__ = {"primary_key": ["account_id", "id"]}  # noqa: RUF012 - SQLAlchemy's contract

    def release(self, *, now: datetime, by: str, reason: str) -> None:
        """End the hold; it remains as history.

        Raises:
            Refused: it is released already.
        """
        if self.released_at is not None and self.released_at <= now:
            raise Refused(f"hold {self.id} was released already; look with `retention hold list --released`")
        self.released_at, self.released_by, self.release_reason = now, by, reason


REFUSE_REOPENING = """
CREATE OR REPLACE FUNCTION refuse_reopening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'hold % is released for good: place a new one', OLD.id USING ERRCODE = 'restrict_violation';
END $$
"""
# A new hold locks its account through the foreign key, and so waits for a batch that has it; an update would not. So a
# release that is over, or will be while somebody writes this, is never put off.
STAY_RELEASED = """
CREATE TRIGGER stay_released BEFORE UPDATE ON holds FOR EACH ROW
WHEN (OLD.released_at IS NOT NULL
      AND (NEW.released_at IS NULL OR NEW.released_at > OLD.released_at AND NEW.released_at > now()))
EXECUTE FUNCTION refuse_reopening()
"""


def _stay_released(table: Table) -> None:
    for statement in (REFUSE_REOPENING, STAY_RELEASED):
        event.listen(table, "after_create", DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]


_stay_released(Base.metadata.tables[Hold.__tablename__])
