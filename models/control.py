"""Control: pauses, decisions, plans frozen while a sweep is held, and what was expected of a day."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import WEB_SERVER, WORKER, Base, Identifier
from models.log import append_only

__all__ = ["Decision", "DecisionKind", "Forecast", "Pause", "PlannedAccount"]


class DecisionKind(StrEnum):
    """What was decided; `held` and `freed` are the worker's own, the others a person's."""

    HELD = "held"
    FREED = "freed"
    APPROVED = "approved"
    REJECTED = "rejected"
    PAUSED = "paused"
    RESUMED = "resumed"
    SET_ASIDE = "set_aside"
    RETRIED = "retried"


class Pause(Base):
    """While it is there, no batch of its policy commits."""

    __tablename__ = "pauses"

    policy: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]

    __table_args__ = (
        CheckConstraint("policy IN ('counter_only', 'purge')", name="policy_known"),
        {"info": {WORKER: ("SELECT", "INSERT", "DELETE"), WEB_SERVER: {"INSERT": None, "DELETE": None}}},
    )


class Decision(Base):
    """Who decided what about a sweep or a policy, and why; appended to, never changed.

    Attributes:
        details: what the decision was about: why a sweep was held, the plan that was approved.
    """

    __tablename__ = "decisions"
    __table_args__ = {"info": {WEB_SERVER: {"INSERT": None}}}  # noqa: RUF012 - SQLAlchemy's contract

    id: Mapped[Identifier]
    at: Mapped[datetime]
    kind: Mapped[str]
    policy: Mapped[str]
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweeps.id"), index=True)
    actor: Mapped[str]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)


class PlannedAccount(Base):
    """One account of a held sweep's frozen plan. No foreign key to the account: it goes with the sweep's end."""

    __tablename__ = "planned_accounts"
    __table_args__ = {  # noqa: RUF012 - SQLAlchemy's contract
        "info": {WORKER: ("SELECT", "INSERT", "DELETE"), WEB_SERVER: {"DELETE": None}}
    }

    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True)


class Forecast(Base):
    """How many accounts were expected, some day before, to fall due as a local day begins."""

    __tablename__ = "forecasts"
    __table_args__ = {"info": {WORKER: ("SELECT", "INSERT")}}  # noqa: RUF012 - SQLAlchemy's contract

    policy: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    made_on: Mapped[date] = mapped_column(Date, primary_key=True)
    accounts: Mapped[int]


append_only(Base.metadata.tables[Decision.__tablename__])
