"""Reading and writing how far the log was verified."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from models import Heartbeat, VerifiedTo
from models.proof import GENESIS, Head

__all__ = ["may_remember", "select_broken", "select_verified", "write_broken", "write_verified"]

RIGHTS = ("SELECT", "INSERT", "UPDATE")


def select_verified() -> Select[Any]:
    """Select how far the log was verified: one row, or none before the first time."""
    return select(*VerifiedTo.__table__.columns)


def select_broken() -> Select[str | None]:
    """Select the break that was found last: one row with it, or with NULL, or none before the first verification."""
    return select(VerifiedTo.broken)


def write_broken(broken: str) -> Insert:
    """Write down that the log was found broken; how far it was verified stays."""
    row = {"number": 0, "digest": GENESIS, "actions": 0, "again_number": 0, "again_digest": GENESIS, "again_actions": 0}
    found = insert(VerifiedTo).values(single=True, broken=broken, **row)
    return found.on_conflict_do_update(index_elements=["single"], set_={"broken": broken})


def write_verified(
    newest: Head, actions: int, *, again: Head, again_actions: int, again_since: datetime | None, mended: bool
) -> Insert:
    """Write down how far the log was verified, for the first time and for the second, and since when for that.

    `mended` where all of it was at once: then a break that was found before is there no more.
    """
    row: dict[str, Any] = {
        "number": newest.number,
        "digest": newest.digest,
        "actions": actions,
        "again_number": again.number,
        "again_digest": again.digest,
        "again_actions": again_actions,
        "again_since": again_since,
    }
    if mended:
        row["broken"] = None
    return insert(VerifiedTo).values(single=True, **row).on_conflict_do_update(index_elements=["single"], set_=row)


def may_remember() -> Select[bool]:
    """Ask whether one may write that down here: not on a standby, nor with an auditor's rights."""
    tables = (Heartbeat.__tablename__, VerifiedTo.__tablename__)
    rights = [func.has_table_privilege(table, right) for table in tables for right in RIGHTS]
    return select(and_(*rights, ~func.pg_is_in_recovery()))
