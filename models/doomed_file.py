"""DoomedFile: a file that a purge left in object storage, until it is erased there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import HIDDEN, Base, CreatedAt, Identifier

__all__ = ["DoomedFile"]


class DoomedFile(Base):
    """The key of a purged document, written by the purge's own transaction and deleted once its file is gone.

    It outlives the account and names none, so that it is nobody's and no purge reaches it. The key may hold
    personal data: it is shown only to those who ask for it, and goes with the row, or when the row is settled.

    Attributes:
        storage_key: where the file lies, as the document had it; NULL once settled.
        sweep_id: the sweep that purged the document; it is complete when none of its rows is left.
        attempts: how often erasing the file failed, or it was found in use.
        failure: kind of the last failure, or why the key is refused; never an error's text, which may quote the key.
        tried_at: when it was last tried.
        next_try_at: from when on it is tried again.
        refused_at: since when nothing is tried, because the key is not one that may be erased; a person decides.
        settled_at: when a person declared that there is nothing left to erase.
        actor: who asked last to try again, or settled it.
        reason: why.
    """

    __tablename__ = "doomed_files"

    id: Mapped[Identifier]
    storage_key: Mapped[str | None] = mapped_column(info={HIDDEN: True})
    sweep_id: Mapped[int] = mapped_column(index=True)
    created_at: Mapped[CreatedAt]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failure: Mapped[str | None]
    tried_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    refused_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    actor: Mapped[str | None]
    reason: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("(storage_key IS NULL) = (settled_at IS NOT NULL)", name="key_until_settled"),
        CheckConstraint("refused_at IS NULL OR failure IS NOT NULL", name="refused_for_a_reason"),
        Index(
            "ix_doomed_files_next_try_at_id",
            "next_try_at",
            "id",
            postgresql_where=text("refused_at IS NULL AND settled_at IS NULL"),
        ),
    )
