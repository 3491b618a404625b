"""Sweep: one policy at one cutoff, from claim to the count that says nothing is left."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import WEB_SERVER, WORKER, Base, CreatedAt, Identifier

__all__ = ["Heartbeat", "Sweep", "SweepStatus"]


class SweepStatus(StrEnum):
    """Where a sweep stands."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"


class Sweep(Base):
    """One policy at one cutoff. A tick is claimed by inserting its sweep: each tick has one at most.

    Attributes:
        tick: the instant of the cron that asked for it; NULL for a sweep triggered by hand.
        as_of: the instant at which due is judged.
        cutoff: the bound on the policy's event column that follows from `as_of`.
        actor: who asked: `beat`, or the name given with a manual trigger.
        fingerprint: of the policy as it was when the sweep was asked for; NULL where nobody judged it by one.
        due: accounts due when the first batch began; NULL before.
        allowed: most that it may touch until its gates are asked again: by the ceilings, as far as they were counted
            for what was due then; NULL where its plan is frozen.
        held_at: since when a gate keeps it; NULL when none does.
        held_for: why, one document for each reason.
        planned_to_at: event of the last account in the first portions of its plan; NULL before the first of them.
        planned_to: that account's number.
        planned: accounts in its frozen plan; NULL without one.
        planned_digest: SHA-256 of their numbers, in order, with commas between.
        approved_at: since when it may act on its plan; NULL without an approval.
        canary_at: when the first, small batch of a purge was verified.
        accounts: acted on so far, counted in each batch's transaction.
        batches: committed so far.
        reconciled_to: the last receipt that reconciliation has found in order; NULL before the first.
        heard_at: when something last happened to it.
        attempts: how often a batch of it met an error that was no outage.
        failure: kind of the last such error; never its text, which may quote data.
    """

    __tablename__ = "sweeps"

    id: Mapped[Identifier]
    policy: Mapped[str]
    tick: Mapped[datetime | None]
    as_of: Mapped[datetime]
    cutoff: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=SweepStatus.QUEUED)
    fingerprint: Mapped[str | None]
    due: Mapped[int | None]
    allowed: Mapped[int | None]
    held_at: Mapped[datetime | None]
    held_for: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    planned_to_at: Mapped[datetime | None]
    planned_to: Mapped[int | None]
    planned: Mapped[int | None]
    planned_digest: Mapped[bytes | None]
    approved_at: Mapped[datetime | None]
    canary_at: Mapped[datetime | None]
    accounts: Mapped[int] = mapped_column(server_default=text("0"))
    batches: Mapped[int] = mapped_column(server_default=text("0"))
    reconciled_to: Mapped[int | None]
    heard_at: Mapped[CreatedAt]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failure: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("policy", "tick"),
        CheckConstraint("policy IN ('counter_only', 'purge')", name="policy_known"),
        CheckConstraint("status IN ('queued', 'held', 'running', 'done', 'failed', 'rejected')", name="status_known"),
        CheckConstraint("(status IN ('done', 'failed', 'rejected')) = (ended_at IS NOT NULL)", name="ended_at_fits"),
        CheckConstraint("(status = 'held') = (held_at IS NOT NULL)", name="held_at_fits"),
        Index(None, "status", postgresql_where=text("ended_at IS NULL")),
        {
            "info": {
                WORKER: ("SELECT", "INSERT", "UPDATE"),
                WEB_SERVER: {
                    "INSERT": ("policy", "tick", "as_of", "cutoff", "actor", "reason", "fingerprint"),
                    "UPDATE": ("status", "held_at", "held_for", "heard_at", "approved_at", "ended_at"),
                },
            }
        },
    )


class Heartbeat(Base):
    """When a part of the machinery was last seen at work; one row each, overwritten."""

    __tablename__ = "heartbeats"
    __table_args__ = {  # noqa: RUF012 - SQLAlchemy's contract
        "info": {WORKER: ("SELECT", "INSERT", "UPDATE"), WEB_SERVER: {"INSERT": None, "UPDATE": None}}
    }

    source: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
