"""Anomaly: an account whose dates make no sense; it is never due."""

from datetime import datetime
from enum import StrEnum

from models import Account, JobSeeking, State, Status

__all__ = ["Anomaly", "anomalies"]


class Anomaly(StrEnum):
    """Why an account's dates cannot be trusted."""

    WITHDRAWN_WITHOUT_DATE = "withdrawn_without_date"
    WITHDRAWN_IN_FUTURE = "withdrawn_in_future"
    COUNTER_ONLY_IN_FUTURE = "counter_only_in_future"
    INVALID_WITHOUT_DATE = "invalid_without_date"
    INVALIDATED_IN_FUTURE = "invalidated_in_future"


def anomalies(account: Account, job_seeking: JobSeeking | None, now: datetime) -> list[Anomaly]:
    """Return what is wrong with one account's dates at `now`; empty when nothing is.

    `tasks.statements.due` says the same in SQL; a test holds the two together.
    """
    found = []
    if account.state == State.WITHDRAWN:
        if account.withdrawn_at is None:
            found.append(Anomaly.WITHDRAWN_WITHOUT_DATE)
        elif account.withdrawn_at > now:
            found.append(Anomaly.WITHDRAWN_IN_FUTURE)
    if account.state == State.COUNTER_ONLY and any(
        at is not None and at > now for at in (account.withdrawn_at, account.counter_only_at)
    ):
        found.append(Anomaly.COUNTER_ONLY_IN_FUTURE)
    if job_seeking is not None and job_seeking.status == Status.INVALID:
        if job_seeking.invalidated_at is None:
            found.append(Anomaly.INVALID_WITHOUT_DATE)
        elif job_seeking.invalidated_at > now:
            found.append(Anomaly.INVALIDATED_IN_FUTURE)
    return found
