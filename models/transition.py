"""Transition: one act of a person that changed an account; its history, which goes with the account."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import SHOWN, WORKER, Base, Identifier, one_of
from models.my_page import OwnerId

__all__ = ["Transition", "TransitionKind"]


class TransitionKind(StrEnum):
    """What a person did. What the worker does is in the log, as actions."""

    REGISTER = "register"
    WITHDRAW = "withdraw"
    REACTIVATE = "reactivate"
    RECOVER = "recover"
    INVALIDATE = "invalidate"
    REVALIDATE = "revalidate"


class Transition(Base):
    """Who changed an account, when, and from which state to which.

    Attributes:
        from_state: the effective state before; the status of the job seeking for `invalidate` and `revalidate`;
            None for `register`.
        to_state: the state, or status, after.
        actor: who: `owner`, or the number of a member of staff.
        office: at which office; None where it happened online.
    """

    __tablename__ = "transitions"

    id: Mapped[Identifier]
    account_id: Mapped[OwnerId]
    kind: Mapped[str]
    actor: Mapped[str] = mapped_column(info={SHOWN: True})
    office: Mapped[str | None] = mapped_column(info={SHOWN: True})
    at: Mapped[datetime]
    from_state: Mapped[str | None] = mapped_column(info={SHOWN: True})
    to_state: Mapped[str] = mapped_column(info={SHOWN: True})

    __table_args__ = (
        CheckConstraint(one_of("kind", *TransitionKind), name="kind_known"),
        {"info": {WORKER: ("SELECT", "INSERT", "DELETE")}},
    )
