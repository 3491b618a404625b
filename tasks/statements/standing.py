"""Reading and writing what was counted of the whole, and what batches have added up to."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import REGCLASS, Insert, insert

from models import Account, Measurement
from tasks.statements.catalogs import CLASSES, INHERITS

__all__ = ["estimate_accounts", "select_standing", "write_standing"]


def estimate_accounts() -> Select[float]:
    """Select PostgreSQL's estimate of how many accounts there are, negative where it has none: one row, one number."""
    accounts = cast(literal(Account.__tablename__), REGCLASS)
    partitions = select(INHERITS.c.inhrelid).where(INHERITS.c.inhparent == accounts)
    # A partitioned table has an estimate besides those of its parts.
    is_theirs = and_(CLASSES.c.relkind == "r", or_(CLASSES.c.oid == accounts, CLASSES.c.oid.in_(partitions)))
    return select(func.sum(CLASSES.c.reltuples)).where(is_theirs)


def write_standing(at: datetime, figures: dict[str, Any]) -> Insert:
    """Write down what was counted at `at`, unless something later is written down."""
    counted = insert(Measurement).values(single=True, at=at, figures=figures)
    later = Measurement.at <= counted.excluded.at
    return counted.on_conflict_do_update(
        index_elements=["single"], set_={"at": counted.excluded.at, "figures": counted.excluded.figures}, where=later
    )


def select_standing() -> Select[dict[str, Any]]:
    """Select what was counted last: one row, one document, or none."""
    return select(Measurement.figures)
