"""Moving to counter-only recovery: the credentials and the login sessions go, all else stays."""

from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, Select, delete, func, literal, type_coerce, update

from models import Account, LoginSession, State
from models.base import Instant
from tasks.rules.cutoff import Cutoff
from tasks.statements.among import among
from tasks.statements.claim import is_claimed
from tasks.statements.due import due
from tasks.statements.log import ACTED_AT, ids_of, logged

__all__ = ["WITHOUT_CREDENTIALS", "move_claimed", "moved_rows"]

WITHOUT_CREDENTIALS: dict[str, Any] = {
    "state": State.COUNTER_ONLY,
    "email": None,
    "password_hash": None,
    "version": Account.version + 1,
}


@lru_cache(maxsize=8)
def move_claimed(cutoff: Cutoff, sweep_id: int, *, partitioned: bool) -> Select[Any]:
    """Move the claimed accounts that are still due, and log it; parameters and row as `logged` says.

    The address becomes free in the same moment. `partitioned` is whether accounts are, by their hash.
    """
    moved = _moved(cutoff, partitioned=partitioned)
    return logged(moved, moved_rows(moved, partitioned=partitioned), action=cutoff.policy, sweep_id=sweep_id)


def moved_rows(moved: CTE, *, partitioned: bool) -> dict[str, CTE]:
    """Return what is changed for accounts in `moved`, a row for each, by table: themselves, and their logins end."""
    sessions = (
        delete(LoginSession)
        .where(among(LoginSession.account_id, ids_of(moved), partitioned=partitioned))
        .returning(literal(1))
        .cte("deleted_login_sessions")
    )
    return {"accounts": moved, "login_sessions": sessions}


def _moved(cutoff: Cutoff, *, partitioned: bool) -> CTE:
    still_due = due(cutoff, now=func.now()).whereclause
    assert still_due is not None  # noqa: S101 - `due` always has conditions; this tells the type checker
    return (
        update(Account)
        .where(is_claimed(Account.id, partitioned=partitioned), still_due)
        .values(**WITHOUT_CREDENTIALS, counter_only_at=ACTED_AT)
        .returning(Account.id.label("account_id"), type_coerce(Account.withdrawn_at, Instant).label("event_at"))
        .cte("moved")
    )
