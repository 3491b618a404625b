"""Guess: what PostgreSQL knows of the attempts at passwords that Redis counts."""

from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Sequence, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import HIDDEN, WORKER, Base

__all__ = ["GUESSES", "GuessKey"]

# How many attempts there ever were. A sequence: taking a number costs no row, and is not undone.
GUESSES = Sequence("guesses", metadata=Base.metadata)


class GuessKey(Base):
    """The one key by which this database's counts are told from those of others in the same Redis.

    It also keys the digests of addresses there, so that nobody can look them up in a list of addresses.
    """

    __tablename__ = "guess_keys"

    single: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    key: Mapped[UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"), info={HIDDEN: True})

    __table_args__ = (CheckConstraint("single", name="only_one"), {"info": {WORKER: ("SELECT",)}})
