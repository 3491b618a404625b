"""Who is due: the one condition that plans, counts, claims and acts all share."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Subquery,
    and_,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    union,
    union_all,
)

from models import Account, Hold, JobSeeking, PlannedAccount, PolicyName, Quarantine, State, Status
from models.base import Instant
from tasks.rules.anomaly import Anomaly
from tasks.rules.cutoff import Cutoff

__all__ = [
    "Instantish",
    "count_accounts",
    "count_anomalies",
    "count_anomalous",
    "count_due",
    "count_held",
    "count_holds",
    "count_late",
    "due",
    "due_after",
    "due_at_or_after",
    "due_since",
    "held",
    "is_unreleased",
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


def held(now: Instantish) -> ColumnElement[bool]:
    """Return the condition that somebody placed a hold on the account and that at `now` it is not released."""
    return or_(*_holding(now))


def _holding(now: Instantish) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the two ways of being held: nobody has released the hold, or a release is written down for later.

    Two conditions and not one, so that each is looked up in an index of its own.
    """
    return _hold(Hold.released_at.is_(None)), _hold(Hold.released_at > now)


def _hold(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Hold.account_id == Account.id, *which)


def set_aside(policy: PolicyName) -> ColumnElement[bool]:
    """Return the condition that the account is in quarantine: the database would not let this policy act on it."""
    return exists().where(Quarantine.account_id == Account.id, _is_set_aside(policy))


def _is_set_aside(policy: PolicyName) -> ColumnElement[bool]:
    return and_(Quarantine.policy == policy.value, Quarantine.set_aside_at.is_not(None))


def due(cutoff: Cutoff, *, now: Instantish) -> Select[int, datetime]:
    """Select who is due, oldest event first: rows of (account_id, event_at).

    Held accounts, anomalies and those set aside are never among them, and to a counter-only sweep neither is who
    falls to the purge. Bounds are inclusive or exclusive as `Cutoff` says. Not limited: callers count or limit.
    """
    return _candidates(cutoff, now).where(*map(not_, _holding(now)), not_(set_aside(cutoff.policy)))


def count_due(cutoff: Cutoff, *, now: Instantish, since: Cutoff | None = None, most: int | None = None) -> Select[int]:
    """Count who is due, or with `since` who has become due between the two cutoffs: one row, one number.

    With `most`, counting stops there.
    """
    rows = _since(_reached(cutoff, now), since)
    kept_back = select(func.count().label("accounts")).select_from(_kept_back(rows, cutoff.policy, now)).cte()
    kept = select(kept_back.c.accounts).scalar_subquery()
    # In order, as the planner does not know how few these are: the index of dates is what it then reads.
    counted = (rows.order_by(None) if most is None else rows.limit(kept + most)).subquery()
    return select(func.count() - kept).select_from(counted)


def count_late(cutoff: Cutoff, *, tick: Cutoff, now: Instantish) -> Select[int, int, datetime | None]:
    """Count who is due, and whose event of these is within `tick`, too; one row: both, and the oldest event or nothing.

    Who was due at the tick and has fallen to the other policy since is in neither number.
    """
    rows = _reached(cutoff, now)

    def count(some: Subquery) -> Subquery:
        late = func.count().filter(_has_reached(tick, some.c.event_at))
        return select(func.count().label("due"), late.label("late")).select_from(some).subquery()

    all_reached, kept_back = count(rows.order_by(None).subquery()), count(_kept_back(rows, cutoff.policy, now))
    oldest: ColumnElement[Any] = oldest_due(cutoff, now=now).scalar_subquery()
    counted = select(all_reached.c.due - kept_back.c.due, all_reached.c.late - kept_back.c.late, oldest)
    return counted.join_from(all_reached, kept_back, true())


def due_since(cutoff: Cutoff, since: Cutoff | None, *, now: Instantish) -> Select[int, datetime]:
    """Select who is due at one cutoff and was not at an earlier one; rows as `due` says."""
    return _since(due(cutoff, now=now), since)


def due_after(cutoff: Cutoff, after: tuple[datetime, int] | None, *, now: Instantish) -> Select[int, datetime]:
    """Select who is due and comes, in the order of `due`, after the one with this event and number; rows as it says."""
    rows = due(cutoff, now=now)
    if after is None:
        return rows
    return rows.where(tuple_(*_order(cutoff)) > tuple_(literal(after[0], Instant), literal(after[1], BigInteger)))


def due_at_or_after(
    cutoff: Cutoff, event_at: ColumnElement[datetime], account_id: ColumnElement[int], *, now: Instantish
) -> Select[int, datetime]:
    """Select who is due, from the one with this event and number on, inclusive; from the first where these are NULL."""
    beginning = literal_column("'-infinity'::timestamptz", Instant)
    first = tuple_(func.coalesce(event_at, beginning), func.coalesce(account_id, 0))
    return due(cutoff, now=now).where(tuple_(*_order(cutoff)) >= first)


def count_accounts(*, most: int) -> Select[int]:
    """Count all accounts, up to `most`: one row, one number."""
    return _count(select(Account.id).limit(most))


def count_held(cutoff: Cutoff, *, now: Instantish) -> Select[int]:
    """Count who would be due but for a hold: one row, one number.

    Of who has a hold, and not of who would be due: holds are few.
    """
    return _count(_candidates(cutoff, now).where(Account.id.in_(_who_is_held(now))))


def count_holds(*, now: Instantish) -> Select[int]:
    """Count accounts with a hold that is not released at `now`: one row, one number."""
    return select(func.count(Hold.account_id.distinct())).where(is_unreleased(now))


def is_unreleased(now: Instantish) -> ColumnElement[bool]:
    """Return the condition on `holds` that one is not released at `now`; a release yet to come is none."""
    return or_(Hold.released_at.is_(None), Hold.released_at > now)


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
        *_who_is_odd(now),
        *(select(JobSeeking.account_id).where(condition) for condition in job_seeking_anomalies(now).values()),
    ).subquery()
    return select(func.count()).select_from(ids)


def _candidates(cutoff: Cutoff, now: Instantish) -> Select[int, datetime]:
    """Select who would be due but for a hold or for being set aside; rows as `due` says."""
    rows = _reached(cutoff, now)
    if cutoff.policy != PolicyName.PURGE:
        return rows
    # A comparison with an absent date is NULL, and no anomaly.
    return rows.join(Account, Account.id == JobSeeking.account_id).where(
        or_(*account_anomalies(now).values()).is_not(True)
    )


def _reached(cutoff: Cutoff, now: Instantish) -> Select[int, datetime]:
    """Select whose event lies behind the cutoff, whatever keeps some of them back; rows as `due` says.

    Of a purge an index holds all that this asks for, so that counting these reads no account.
    """
    event_at, number = _order(cutoff)
    rows: Select[int, datetime] = (
        select(number.label("account_id"), type_coerce(event_at, Instant).label("event_at"))
        .where(_within(cutoff), event_at <= now)
        .order_by(event_at, number)
    )
    if cutoff.policy == PolicyName.PURGE:
        return rows.where(JobSeeking.status == Status.INVALID)
    # Of a column, as `*` would be a read of what the person wrote, which the web server has no right to.
    purged_or_unknown = exists(JobSeeking.account_id).where(
        JobSeeking.account_id == Account.id,
        or_(
            and_(JobSeeking.status == Status.INVALID, JobSeeking.invalidated_at <= cutoff.purge_at),
            *job_seeking_anomalies(now).values(),
        ),
    )
    return rows.where(Account.state == State.WITHDRAWN, not_(purged_or_unknown))


def _kept_back(rows: Select[int, datetime], policy: PolicyName, now: Instantish) -> Subquery:
    """Return those of `_reached` that are not due, each for something rare, by which they are looked up."""
    rare = [_who_is_held(now), select(Quarantine.account_id).where(_is_set_aside(policy))]
    # Who is to be moved has withdrawn on a day that is known and past, and is none of these.
    if policy == PolicyName.PURGE:
        rare += _who_is_odd(now)
    number, _ = rows.selected_columns
    return rows.order_by(None).where(number.in_(union(*rare))).subquery()


def _who_is_held(now: Instantish) -> Select[int]:
    return select(Hold.account_id).where(is_unreleased(now))


def _who_is_odd(now: Instantish) -> list[Select[int]]:
    """Return a statement for each anomaly of an account's own row: who shows it."""
    return [select(Account.id).where(condition) for condition in account_anomalies(now).values()]


def _since(rows: Select[int, datetime], since: Cutoff | None) -> Select[int, datetime]:
    return rows if since is None else rows.where(not_(_within(since)))


def _order(cutoff: Cutoff) -> tuple[SQLColumnExpression[datetime | None], SQLColumnExpression[int]]:
    if cutoff.policy == PolicyName.PURGE:
        return JobSeeking.invalidated_at, JobSeeking.account_id
    return Account.withdrawn_at, Account.id


def _within(cutoff: Cutoff) -> ColumnElement[bool]:
    event_at, number = _order(cutoff)
    bound = _has_reached(cutoff, event_at)
    if cutoff.plan_of is None:
        return bound
    planned = exists().where(PlannedAccount.sweep_id == cutoff.plan_of, PlannedAccount.account_id == number)
    return and_(bound, planned)


def _has_reached(cutoff: Cutoff, event_at: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    return event_at <= cutoff.at if cutoff.policy == PolicyName.PURGE else event_at < cutoff.at


def _count(rows: Select[*tuple[Any, ...]]) -> Select[int]:
    return select(func.count()).select_from(rows.order_by(None).subquery())
