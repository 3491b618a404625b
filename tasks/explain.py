"""Why one account was, or was not, touched: the worker's own rules, asked about it alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.orm import Session

from models import Account, Hold, JobSeeking, Policies, Policy, PolicyName, State, Status
from models.errors import Refused
from tasks.rules.anomaly import Anomaly, anomalies
from tasks.statements.log import select_actions
from tasks.transaction import transaction

__all__ = ["GONE", "Explanation", "explain"]

GONE = "gone"
ACTIONS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Explanation:
    """One account as the worker sees it.

    Attributes:
        state: what its row says; `gone` where the log knows it and no row is left.
        effective_state: how it behaves now: a window that is over is over, however late the worker.
        withdrawn_at: the event that `counter_only_from` is counted from; None without one.
        invalidated_at: the event that `purge_from` is counted from; None without one.
        counter_only_from: first instant at which it may be moved; None when nothing leads there.
        purge_from: first instant at which it may be deleted; None when nothing leads there.
        holds: unreleased holds: rows of `holds`.
        anomalies: what is wrong with its dates; any keeps the worker away.
        prevented: for each policy what keeps it from acting now; empty where the next sweep will.
        actions: its lines in the log, newest first.
    """

    account_id: int
    state: str
    effective_state: str
    withdrawn_at: datetime | None
    invalidated_at: datetime | None
    counter_only_from: datetime | None
    purge_from: datetime | None
    holds: list[Hold]
    anomalies: list[Anomaly]
    prevented: dict[PolicyName, list[str]]
    actions: list[Row[Any]]


def explain(engine: Engine, policies: Policies, account_id: int, now: datetime) -> Explanation:
    """Return why account `account_id` is, or is not, touched at `now`.

    Raises:
        Refused: neither the tables nor the log know the account.
    """
    with transaction(engine) as connection:
        actions = list(connection.execute(select_actions(account_id=account_id, limit=ACTIONS_SHOWN)).all())
        account, job_seeking, holds = _read(connection, account_id)
    if account is not None:
        return _explain_present(policies, account, job_seeking, holds, actions, now)
    if actions:
        return _explain_gone(account_id, actions)
    raise Refused(f"there is no account {account_id}, and the log has no action on one")


def _read(connection: Connection, account_id: int) -> tuple[Account | None, JobSeeking | None, list[Hold]]:
    with Session(connection, expire_on_commit=False) as session:
        holds = session.scalars(
            select(Hold).where(Hold.account_id == account_id, Hold.released_at.is_(None)).order_by(Hold.id)
        )
        return session.get(Account, account_id), session.get(JobSeeking, account_id), list(holds)


def _explain_gone(account_id: int, actions: list[Row[Any]]) -> Explanation:
    due = {action.action: action.due_at for action in reversed(actions)}
    events = {action.action: action.event_at for action in reversed(actions)}
    return Explanation(
        account_id=account_id,
        state=GONE,
        effective_state=GONE,
        withdrawn_at=events.get(PolicyName.COUNTER_ONLY),
        invalidated_at=events.get(PolicyName.PURGE),
        counter_only_from=due.get(PolicyName.COUNTER_ONLY),
        purge_from=due.get(PolicyName.PURGE),
        holds=[],
        anomalies=[],
        prevented={name: ["the account is gone"] for name in PolicyName},
        actions=actions,
    )


def _explain_present(
    policies: Policies,
    account: Account,
    job_seeking: JobSeeking | None,
    holds: list[Hold],
    actions: list[Row[Any]],
    now: datetime,
) -> Explanation:
    withdrawn_at = account.withdrawn_at
    invalidated_at = None if job_seeking is None else job_seeking.invalidated_at
    counter_only_from = _due_from(policies.counter_only, withdrawn_at, now)
    purge_from = _due_from(policies.purge, invalidated_at, now)
    found = anomalies(account, job_seeking, now)
    window_over = account.state == State.WITHDRAWN and counter_only_from is not None and counter_only_from <= now
    always = [f"anomaly: {kind.value}" for kind in found] + [f"hold {hold.id}" for hold in holds]
    return Explanation(
        account_id=account.id,
        state=account.state,
        effective_state=State.COUNTER_ONLY.value if window_over else account.state,
        withdrawn_at=withdrawn_at,
        invalidated_at=invalidated_at,
        counter_only_from=counter_only_from,
        purge_from=purge_from,
        holds=holds,
        anomalies=found,
        prevented={
            PolicyName.PURGE: always + _before_purge(job_seeking, purge_from, now),
            PolicyName.COUNTER_ONLY: always + _before_counter_only(account, counter_only_from, purge_from, now),
        },
        actions=actions,
    )


def _due_from(policy: Policy, event_at: datetime | None, now: datetime) -> datetime | None:
    """Return when an event falls due; an unknown or future event leads nowhere."""
    return None if event_at is None or event_at > now else policy.due_from(event_at)


def _before_purge(job_seeking: JobSeeking | None, due_from: datetime | None, now: datetime) -> list[str]:
    if job_seeking is None:
        return ["there is no job-seeking registration"]
    if job_seeking.status == Status.VALID:
        return ["the job-seeking registration is valid"]
    return ["its day has not come"] if due_from is not None and due_from > now else []


def _before_counter_only(
    account: Account, due_from: datetime | None, purge_from: datetime | None, now: datetime
) -> list[str]:
    if account.state != State.WITHDRAWN:
        return [f"the account is {account.state}"]
    if purge_from is not None and purge_from <= now:
        return ["the purge is due and goes before"]
    return ["its day has not come"] if due_from is not None and due_from > now else []
