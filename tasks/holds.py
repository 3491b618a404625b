"""Holds: from the moment that placing one returns, the worker does not act on the account."""

from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import Hold
from models.errors import NotThereError
from tasks.rules.named import require_named
from tasks.statements.accounts import lock_hold
from tasks.statements.holds import select_holds
from tasks.statements.sweeps import read_clock
from tasks.transaction import transaction
from tasks.transitions import gone

__all__ = ["list_holds", "place", "release"]

FOREIGN_KEY_VIOLATION = "23503"


def place(engine: Engine, account_id: int, *, actor: str, reason: str) -> int:
    """Place a hold; returns its number. A batch that has the account is waited for, by the foreign key.

    Raises:
        NoSuchAccountError: the account is gone, perhaps by that batch, or never was; says which.
        Refused: actor or reason cannot be recorded.
        Unavailable: the batch takes too long; nothing was placed.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection, Session(connection, expire_on_commit=False) as session:
        hold = Hold(account_id=account_id, reason=reason, placed_by=actor)
        try:
            with session.begin_nested():
                session.add(hold)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != FOREIGN_KEY_VIOLATION:
                raise
            raise gone(session, account_id) from None
        # Only now is it in force: until then a batch may have had the account.
        hold.placed_at = session.scalars(read_clock()).one()
        session.flush()
        return hold.id


def release(engine: Engine, hold_id: int, *, actor: str, reason: str) -> Hold:
    """Release a hold; it remains as history.

    Raises:
        Refused: there is no such hold, it is released already, or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection, Session(connection, expire_on_commit=False) as session:
        hold = session.scalar(lock_hold(hold_id))
        if hold is None:
            raise NotThereError(f"there is no hold {hold_id}; holds go with their account when it is deleted")
        hold.release(now=session.scalars(read_clock()).one(), by=actor, reason=reason)
        session.flush()
        return hold


def list_holds(engine: Engine, **which: Any) -> list[Row[Any]]:
    """Return holds, newest first; `which` as for `select_holds`."""
    with transaction(engine) as connection:
        return list(connection.execute(select_holds(**which)).all())
