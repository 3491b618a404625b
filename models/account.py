"""Account: one My Page, with its state and the dates that the law asks about."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Identifier

__all__ = ["FINITE", "Account", "Registration", "State"]


class Registration(StrEnum):
    """Where the person is registered: online only, or at an office (ハローワーク利用登録者)."""

    ONLINE = "online"
    HELLOWORK = "hellowork"


class State(StrEnum):
    """What the account's row says; an account that is gone has no row."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    COUNTER_ONLY = "counter_only"


# Infinities and the years that stand for "unknown" are no dates; NULL is let in and shown as an anomaly.
FINITE = "{0} >= '1900-01-01 00:00+00' AND {0} < '10000-01-01 00:00+00'"


class Account(Base):
    """One My Page; owns every dependent row."""

    __tablename__ = "accounts"

    id: Mapped[Identifier]
    registration: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=State.ACTIVE)
    email: Mapped[str | None] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    counter_only_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))

    __table_args__ = (
        CheckConstraint("registration IN ('online', 'hellowork')", name="registration_known"),
        CheckConstraint("state IN ('active', 'withdrawn', 'counter_only')", name="state_known"),
        CheckConstraint("state <> 'active' OR withdrawn_at IS NULL", name="active_not_withdrawn"),
        CheckConstraint("state = 'counter_only' OR counter_only_at IS NULL", name="counter_only_at_fits"),
        CheckConstraint(
            "state <> 'counter_only' OR (email IS NULL AND password_hash IS NULL)",
            name="counter_only_without_credentials",
        ),
        CheckConstraint(FINITE.format("withdrawn_at"), name="withdrawn_at_finite"),
        CheckConstraint(FINITE.format("counter_only_at"), name="counter_only_at_finite"),
        # Each answers "due?" and "anomalous?" from its ends; the account's number breaks ties in a fixed order.
        Index(None, "withdrawn_at", "id", postgresql_where=text("state = 'withdrawn'")),
        Index(
            "ix_accounts_counter_only_latest",
            text("greatest(withdrawn_at, counter_only_at)"),
            postgresql_where=text("state = 'counter_only'"),
        ),
    )
