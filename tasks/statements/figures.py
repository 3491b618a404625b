"""What batches have added up to: by local day and action, and how long they took."""

from datetime import date
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Date,
    Double,
    Insert,
    Select,
    Text,
    bindparam,
    cast,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from models import BatchDuration, DayOfActions

__all__ = ["BOUNDS_SECONDS", "add_to_day", "add_to_durations", "count_actions", "select_days", "select_durations"]

# A batch aims at half a second at most; what takes longer than the last bound waited for somebody.
BOUNDS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, float("inf"))


def add_to_day(extended: CTE) -> Insert:
    """Add a batch to its local day; it reads the one row of `extended`, so the chain's head is locked before.

    Parameters: `day`, `action`, `accounts`.
    """
    batch = select(
        bindparam("day", type_=Date),
        bindparam("action", type_=Text),
        bindparam("accounts", type_=BigInteger),
        literal(1, BigInteger),
    ).select_from(extended)
    added = insert(DayOfActions).from_select(["day", "action", "accounts", "batches"], batch)
    sums = {
        "accounts": DayOfActions.accounts + added.excluded.accounts,
        "batches": DayOfActions.batches + added.excluded.batches,
    }
    return added.on_conflict_do_update(index_elements=["day", "action"], set_=sums)


def add_to_durations(extended: CTE) -> Insert:
    """Add how long the batch's transaction has taken until now, with the chain's head locked by `extended`."""
    taken = func.clock_timestamp() - func.transaction_timestamp()
    seconds = select(cast(extract("epoch", taken), Double).label("seconds")).select_from(extended).cte("taken")
    bound = func.unnest(literal(list(BOUNDS_SECONDS), ARRAY(Double))).column_valued("bound")
    batch = select(
        select(func.min(bound)).where(bound >= seconds.c.seconds).scalar_subquery(),
        literal(1, BigInteger),
        seconds.c.seconds,
    ).select_from(seconds)
    added = insert(BatchDuration).from_select(["up_to_seconds", "batches", "seconds"], batch)
    sums = {
        "batches": BatchDuration.batches + added.excluded.batches,
        "seconds": BatchDuration.seconds + added.excluded.seconds,
    }
    return added.on_conflict_do_update(index_elements=["up_to_seconds"], set_=sums)


def select_days(*, first: date) -> Select[Any]:
    """Select what was done from local day `first` on: rows (day, action, accounts, batches), by day."""
    columns = DayOfActions.__table__.columns
    return select(*columns).where(DayOfActions.day >= first).order_by(DayOfActions.day, DayOfActions.action)


def count_actions() -> Select[str, int]:
    """Add up all days: rows (action, accounts)."""
    accounts = cast(func.sum(DayOfActions.accounts), BigInteger)
    return select(DayOfActions.action, accounts).group_by(DayOfActions.action)


def select_durations() -> Select[float, int, float]:
    """Select how many batches took how long: rows (up_to_seconds, batches, seconds), the quickest first."""
    columns = (BatchDuration.up_to_seconds, BatchDuration.batches, BatchDuration.seconds)
    return select(*columns).order_by(BatchDuration.up_to_seconds)
