"""Who is due: the one condition that plans, counts, claims and acts all share."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
    union,
    union_all,
)

from models import Account, Hold, JobSeeking, PolicyName, State, Status
from models.base import Instant
from tasks.rules.anomaly import Anomaly
from tasks.rules.cutoff import Cutoff

__all__ = [
    "Instantish",
    "count_anomalies",
    "count_anomalous",
    "count_due",
    "count_held",
    "count_holds",
    "due",
    "oldest_due",
]

Instantish = datetime | ColumnElement[datetime]


def account_anomalies(now: Instantish) -> dict[Anomaly, ColumnElement[bool]]:
    """Return a condition on `accounts` for each anomaly that its row can show."""
    return {
        Anomaly.WITHDRAWN_WITHOUT_DATE: and_(Account.state == State.WITHDRAWN, Account.withdrawn_at.is_(None)),
        Anomaly.WITHDRAWN_IN_FUTURE: and_(Account.state == State.WITHDRAWN, Account.withdrawn_at > now),
        Anomaly.COUNTER_ONLY_IN_FUTURE: and_(
            Account.state == State.COUNTER_ONLY,
            func.greatest(Account.withdrawn_at, Account.counter_only_at) > now,
        ),
    }


def job_seeking_anomalies(now: Instantish) -> dict[Anomaly, ColumnElement[bool]]:
    """Return a condition on `job_seekings` for each anomaly that its row can show."""
    return {
        Anomaly.INVALID_WITHOUT_DATE: and_(JobSeeking.status == Status.INVALID, JobSeeking.invalidated_at.is_(None)),
        Anomaly.INVALIDATED_IN_FUTURE: and_(JobSeeking.status == Status.INVALID, JobSeeking.invalidated_at > now),
    }


def held() -> ColumnElement[bool]:
    """Return the condition that somebody placed a hold on the account and nobody has released it."""
    return exists().where(Hold.account_id == Account.id, Hold.released_at.is_(None))


def due(cutoff: Cutoff, *, now: Instantish) -> Select[int, datetime]:
    """Select who is due, oldest event first: rows of (account_id, event_at).

    Held accounts and anomalies are never among them, and to a counter-only sweep neither is who falls to the
    purge. Bounds are inclusive or exclusive as `Cutoff` says. Not limited: callers count or limit.
    """
    return _candidates(cutoff, now).where(not_(held()))


def count_due(cutoff: Cutoff, *, now: Instantish, since: Cutoff | None = None) -> Select[int]:
    """Count who is due, or with `since` who has become due between the two cutoffs: one row, one number."""
    rows = due(cutoff, now=now)
    if since is not None:
        rows = rows.where(not_(_within(since)))
    return _count(rows)


def count_held(cutoff: Cutoff, *, now: Instantish) -> Select[int]:
    """Count who would be due but for a hold: one row, one number."""
    return _count(_candidates(cutoff, now).where(held()))


def count_holds() -> Select[int]:
    """Count accounts with a hold that nobody has released: one row, one number."""
    return select(func.count(Hold.account_id.distinct())).where(Hold.released_at.is_(None))


def oldest_due(cutoff: Cutoff, *, now: Instantish) -> Select[datetime]:
    """Select the event of who has been due for longest: one row or none."""
    oldest = due(cutoff, now=now).limit(1).subquery()
    return select(oldest.c.event_at)


def count_anomalies(*, now: Instantish) -> Select[str, int]:
    """Count accounts by anomaly: a row (kind, accounts) for each kind, zeros included."""
    of_accounts = [
        select(literal(kind.value).label("kind"), func.count().label("accounts")).select_from(Account).where(condition)
        for kind, condition in account_anomalies(now).items()
    ]
    of_job_seekings = [
        select(literal(kind.value), func.count()).select_from(JobSeeking).where(condition)
        for kind, condition in job_seeking_anomalies(now).items()
    ]
    rows = union_all(*of_accounts, *of_job_seekings).subquery()
    return select(rows.c.kind, rows.c.accounts)


def count_anomalous(*, now: Instantish) -> Select[int]:
    """Count accounts with at least one anomaly: one row, one number."""
    ids = union(
        *(select(Account.id).where(condition) for condition in account_anomalies(now).values()),
        *(select(JobSeeking.account_id).where(condition) for condition in job_seeking_anomalies(now).values()),
    ).subquery()
    return select(func.count()).select_from(ids)


def _candidates(cutoff: Cutoff, now: Instantish) -> Select[int, datetime]:
    if cutoff.policy == PolicyName.PURGE:
        return (
            select(Account.id.label("account_id"), type_coerce(JobSeeking.invalidated_at, Instant).label("event_at"))
            .join(JobSeeking, JobSeeking.account_id == Account.id)
            .where(
                JobSeeking.status == Status.INVALID,
                _within(cutoff),
                JobSeeking.invalidated_at <= now,
                # A comparison with an absent date is NULL, and no anomaly.
                or_(*account_anomalies(now).values()).is_not(True),
            )
            .order_by(JobSeeking.invalidated_at, JobSeeking.account_id)
        )
    purged_or_unknown = exists().where(
        JobSeeking.account_id == Account.id,
        or_(
            and_(JobSeeking.status == Status.INVALID, JobSeeking.invalidated_at <= cutoff.purge_at),
            *job_seeking_anomalies(now).values(),
        ),
    )
    return (
        select(Account.id.label("account_id"), type_coerce(Account.withdrawn_at, Instant).label("event_at"))
        .where(
            Account.state == State.WITHDRAWN,
            _within(cutoff),
            Account.withdrawn_at <= now,
            not_(purged_or_unknown),
        )
        .order_by(Account.withdrawn_at, Account.id)
    )


def _within(cutoff: Cutoff) -> ColumnElement[bool]:
    if cutoff.policy == PolicyName.PURGE:
        return JobSeeking.invalidated_at <= cutoff.at
    return Account.withdrawn_at < cutoff.at


def _count(rows: Select[*tuple[Any, ...]]) -> Select[int]:
    return select(func.count()).select_from(rows.order_by(None).subquery())
