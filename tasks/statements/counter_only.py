"""Moving to counter-only recovery: the credentials and the login sessions go, all else stays."""

from datetime import datetime

from sqlalchemy import Delete, any_, delete, func, type_coerce, update
from sqlalchemy.sql.dml import ReturningUpdate

from models import Account, LoginSession, State
from models.base import Instant
from tasks.rules.cutoff import Cutoff
from tasks.statements.claim import CLAIMED
from tasks.statements.due import due

__all__ = ["delete_sessions", "move_accounts"]


def move_accounts(cutoff: Cutoff) -> ReturningUpdate[int, datetime]:
    """Update the claimed accounts that are still due; returns a row (account_id, event_at) for each moved.

    The address becomes free in the same moment.
    """
    still_due = due(cutoff, now=func.now()).whereclause
    assert still_due is not None  # noqa: S101 - `due` always has conditions; this tells the type checker
    return (
        update(Account)
        .where(Account.id == any_(CLAIMED), still_due)
        .values(
            state=State.COUNTER_ONLY,
            email=None,
            password_hash=None,
            counter_only_at=func.now(),
            version=Account.version + 1,
        )
        .returning(Account.id, type_coerce(Account.withdrawn_at, Instant))
    )


def delete_sessions() -> Delete:
    """Delete the login sessions of the claimed accounts."""
    return delete(LoginSession).where(LoginSession.account_id == any_(CLAIMED))
