"""Hold: nobody may touch this account until it is released."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identifier
from models.my_page import OwnerId

__all__ = ["Hold"]


class Hold(Base):
    """Stops both actions on one account while `released_at` is NULL; kept as history afterwards."""

    __tablename__ = "holds"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]

    __table_args__ = (Index("ix_holds_unreleased", "account_id", postgresql_where=text("released_at IS NULL")),)
