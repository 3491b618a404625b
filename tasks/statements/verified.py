"""Reading and writing how far the log was verified."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from models import Heartbeat, VerifiedTo
from models.proof import Head

__all__ = ["may_remember", "select_verified", "write_verified"]

RIGHTS = ("SELECT", "INSERT", "UPDATE")


def select_verified() -> Select[Any]:
    """Select how far the log was verified: one row, or none before the first time."""
    return select(*VerifiedTo.__table__.columns)


def write_verified(
    newest: Head, actions: int, *, again: Head, again_actions: int, again_since: datetime | None
) -> Insert:
    """Write down how far the log was verified, for the first time and for the second, and since when for that."""
    row = {
        "number": newest.number,
        "digest": newest.digest,
        "actions": actions,
        "again_number": again.number,
        "again_digest": again.digest,
        "again_actions": again_actions,
        "again_since": again_since,
    }
    return insert(VerifiedTo).values(single=True, **row).on_conflict_do_update(index_elements=["single"], set_=row)


def may_remember() -> Select[bool]:
    """Ask whether one may write that down here: not on a standby, nor with an auditor's rights."""
    tables = (Heartbeat.__tablename__, VerifiedTo.__tablename__)
    rights = [func.has_table_privilege(table, right) for table in tables for right in RIGHTS]
    return select(and_(*rights, ~func.pg_is_in_recovery()))
