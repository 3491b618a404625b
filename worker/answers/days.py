"""What was done on each of the last days."""

from datetime import UTC, datetime, timedelta

from typing_extensions import TypedDict

from models.calendar import today
from tasks.statements.figures import select_days
from tasks.transaction import transaction
from worker.answers.instants import rfc3339
from worker.deployment import Deployment

__all__ = ["Days", "read_days"]


class DayDone(TypedDict):
    """Accounts acted on, and the batches they were acted on in, on one local day."""

    day: str
    accounts: int
    batches: int


class Days(TypedDict):
    """Each of the last days by policy, oldest first, the last is today."""

    at: str
    policies: dict[str, list[DayDone]]


def read_days(here: Deployment, *, days: int) -> Days:
    """Return what was done on each of the last `days` local days, today included."""
    now = datetime.now(UTC)
    last = today(now, here.zone)
    dates = [last - timedelta(days=back) for back in reversed(range(days))]
    with transaction(here.engine) as connection:
        found = connection.execute(select_days(first=dates[0])).all()
    done = {(row.action, row.day): (row.accounts, row.batches) for row in found}
    by_policy: dict[str, list[DayDone]] = {}
    for policy in here.policies:
        counts = [(day, *done.get((policy.name.value, day), (0, 0))) for day in dates]
        by_policy[policy.name.value] = [
            {"day": day.isoformat(), "accounts": accounts, "batches": batches} for day, accounts, batches in counts
        ]
    return {"at": str(rfc3339(now, here.zone)), "policies": by_policy}
