"""Quarantine: accounts that the database would not let the worker act on, set aside so that the others go on."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import SHOWN, WEB_SERVER, WORKER, Base, one_of
from models.policy import PolicyName

__all__ = ["Quarantine"]


class Quarantine(Base):
    """Failures of one policy on one account; goes with the account.

    Attributes:
        attempts: how often a batch of this account alone has failed.
        failure: the last error's code and table; never data.
        set_aside_at: since when it is no longer tried; NULL while it is.
    """

    __tablename__ = "quarantine"

    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.id"), primary_key=True)
    policy: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(Integer)
    failure: Mapped[str] = mapped_column(info={SHOWN: True})
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    set_aside_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("policy", *PolicyName), name="policy_known"),
        {"info": {WORKER: ("SELECT", "INSERT", "UPDATE", "DELETE"), WEB_SERVER: {"DELETE": None}}},
    )
