"""All the rest of a My Page that goes with the account."""

from typing import Annotated

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import WORKER, Base, CreatedAt, Identifier, one_of

__all__ = [
    "Application",
    "Document",
    "LoginSession",
    "Message",
    "MessageAttachment",
    "OwnerId",
    "SavedJob",
    "SavedSearch",
]

OwnerId = Annotated[int, mapped_column(BigInteger, ForeignKey("accounts.id"), index=True)]


class Application(Base):
    """An application for a job: self-made (自主応募) or by referral."""

    __tablename__ = "applications"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    kind: Mapped[str]
    status: Mapped[str]
    job_number: Mapped[str | None]
    statement: Mapped[str | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint(one_of("kind", "self", "referral"), name="kind_known"),)

    @property
    def is_pending_self_made(self) -> bool:
        """Whether it keeps its account from being withdrawn."""
        return self.kind == "self" and self.status == "pending"


class Message(Base):
    """A message between the job seeker and an employer or an office."""

    __tablename__ = "messages"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    subject: Mapped[str | None]
    body: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class MessageAttachment(Base):
    """A file sent with a message; belongs to the account only through its message.

    Attributes:
        account_id: the account again, which tables partitioned by it need; elsewhere nobody has to fill it.
    """

    __tablename__ = "message_attachments"

    id: Mapped[Identifier]
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    file_name: Mapped[str | None]
    size_bytes: Mapped[int | None]
    account_id: Mapped[int | None]


class SavedSearch(Base):
    """A search that the job seeker keeps."""

    __tablename__ = "saved_searches"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    name: Mapped[str | None]
    conditions: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class SavedJob(Base):
    """A vacancy that the job seeker keeps."""

    __tablename__ = "saved_jobs"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    job_number: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class Document(Base):
    """A curriculum vitae or a work history, kept as a file in object storage."""

    __tablename__ = "documents"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    title: Mapped[str | None]
    storage_key: Mapped[str | None]
    created_at: Mapped[CreatedAt]

    # Asked before a file is erased: does anybody's document still name it? A hash takes keys of any length.
    __table_args__ = (Index("ix_documents_storage_key", "storage_key", postgresql_using="hash"),)


class LoginSession(Base):
    """A login; deleted already when the account becomes counter-only."""

    __tablename__ = "login_sessions"
    __table_args__ = {"info": {WORKER: ("SELECT", "INSERT", "DELETE")}}  # noqa: RUF012 - SQLAlchemy's contract
    # Somebody may log out at the moment in which all logins end. The account is in the key, so that where tables are
    # partitioned by it one partition is looked into.
    __mapper_args__ = {"confirm_deleted_rows": False, "primary_key": ["account_id", "id"]}  # noqa: RUF012 - SQLAlchemy's contract

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    user_agent: Mapped[str | None]
    created_at: Mapped[CreatedAt]
