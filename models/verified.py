"""How far the log was verified: so that the next verification can go on from there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import WORKER, Base

__all__ = ["VerifiedTo"]


class VerifiedTo(Base):
    """Two places in the chain: the newest receipt that was verified, and how far a second look from the start has come.

    Whoever may write here can move them. So each verification tells the structured log from where to where it went, a
    second look comes round to everything, and `retention log verify --whole` does not begin from here.

    Attributes:
        number: the last receipt that was found in order; 0 before the first.
        digest: its digest, to which the next verification holds the chain.
        actions: in all receipts up to it.
        again_number: the last receipt that was found in order a second time; 0 before a second look begins.
        again_digest: its digest.
        again_actions: in all receipts up to it.
        again_since: when the second look began; NULL while there is none.
        broken: the break that was found last, in words without data; NULL since a whole verification found none.
    """

    __tablename__ = "verified_to"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    number: Mapped[int]
    digest: Mapped[bytes]
    actions: Mapped[int]
    again_number: Mapped[int]
    again_digest: Mapped[bytes]
    again_actions: Mapped[int]
    again_since: Mapped[datetime | None]
    broken: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("single", name="only_one"),
        {"info": {WORKER: ("SELECT", "INSERT", "UPDATE")}},
    )
