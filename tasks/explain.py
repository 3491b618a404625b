"""Why one account was, or was not, touched: the worker's own rules, asked about it alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select
from sqlalchemy.orm import Session, joinedload, load_only

from models import Account, JobSeeking, Policies, Policy, PolicyName, Reckoning, State, Status
from models.errors import NoSuchAccountError
from tasks.rules.anomaly import Anomaly, anomalies
from tasks.statements.holds import select_holds
from tasks.statements.log import select_actions
from tasks.statements.quarantine import select_set_aside
from tasks.statements.sweeps import read_clock
from tasks.statements.transitions import select_history
from tasks.transaction import transaction

__all__ = ["GONE", "Explanation", "explain"]

GONE = "gone"
# Of holds, of the history and of the log, each.
ROWS_SHOWN = 1000


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
        because: for each policy that leads somewhere, in words, the event and the rule it is counted by.
        reckoned: the same as facts; empty where the log alone knows the account.
        holds: unreleased holds, at most the newest thousand.
        anomalies: what is wrong with its dates; any keeps the worker away.
        prevented: for each policy what keeps it from acting now; empty where the next sweep will.
        history: what people did to it, oldest first, at most the last thousand acts; it goes with the account.
        actions: its lines in the log, newest first, at most a thousand.
    """

    account_id: int
    at: datetime
    state: str
    effective_state: str
    registration: str | None
    withdrawn_at: datetime | None
    invalidated_at: datetime | None
    counter_only_from: datetime | None
    purge_from: datetime | None
    because: dict[PolicyName, str]
    reckoned: dict[PolicyName, Reckoning]
    holds: list[Row[Any]]
    anomalies: list[Anomaly]
    prevented: dict[PolicyName, list[str]]
    history: list[Row[Any]]
    actions: list[Row[Any]]


def explain(engine: Engine, policies: Policies, account_id: int, at: datetime | None = None) -> Explanation:
    """Return why account `account_id` is, or is not, touched at `at`; by default now, by the database's clock.

    Raises:
        Refused: neither the tables nor the log know the account.
    """
    # One snapshot for all, or a purge in between would be half seen.
    with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        clock = connection.execute(read_clock()).scalar_one()
        now = at or clock
        account = _read(connection, account_id)
        holds = _oldest_first(connection, select_holds(account_id=account_id, now=now, limit=ROWS_SHOWN))
        history = _oldest_first(connection, select_history(account_id, limit=ROWS_SHOWN))
        aside = {each.policy: each.failure for each in connection.execute(select_set_aside(account_id))}
        actions = list(connection.execute(select_actions(account_id=account_id, limit=ROWS_SHOWN)).all())
    if account is not None:
        explained = _explain_present(policies, account, (holds, history, actions), now, clock)
        for name, failure in aside.items():
            explained.prevented[PolicyName(name)].append(f"set aside after failures: {failure}")
        return explained
    if actions:
        return _explain_gone(account_id, actions, now)
    raise NoSuchAccountError(f"there is no account {account_id}, and the log has no action on one")


def _read(connection: Connection, account_id: int) -> Account | None:
    """Read what the rules ask about: no address, no password's hash, nothing that the person wrote."""
    asked = load_only(
        Account.registration, Account.state, Account.withdrawn_at, Account.counter_only_at, raiseload=True
    )
    of_job_seeking = joinedload(Account.job_seeking).load_only(
        JobSeeking.status, JobSeeking.invalidated_at, raiseload=True
    )
    with Session(connection, expire_on_commit=False) as session:
        return session.get(Account, account_id, options=[asked, of_job_seeking])


def _oldest_first(connection: Connection, newest: Select[Any]) -> list[Row[Any]]:
    return list(reversed(connection.execute(newest).all()))


def _explain_gone(account_id: int, actions: list[Row[Any]], now: datetime) -> Explanation:
    due = {action.action: action.due_at for action in reversed(actions)}
    events = {action.action: action.event_at for action in reversed(actions)}
    return Explanation(
        account_id=account_id,
        at=now,
        state=GONE,
        effective_state=GONE,
        registration=None,
        withdrawn_at=events.get(PolicyName.COUNTER_ONLY),
        invalidated_at=events.get(PolicyName.PURGE),
        counter_only_from=due.get(PolicyName.COUNTER_ONLY),
        purge_from=due.get(PolicyName.PURGE),
        because={PolicyName(action.action): f"done by action {action.id} in the log" for action in reversed(actions)},
        reckoned={},
        holds=[],
        anomalies=[],
        prevented={name: ["the account is gone"] for name in (PolicyName.PURGE, PolicyName.COUNTER_ONLY)},
        history=[],
        actions=actions,
    )


def _explain_present(
    policies: Policies,
    account: Account,
    rows: tuple[list[Row[Any]], list[Row[Any]], list[Row[Any]]],
    now: datetime,
    clock: datetime,
) -> Explanation:
    job_seeking = account.job_seeking
    holds, history, actions = rows
    events = {
        PolicyName.COUNTER_ONLY: account.withdrawn_at,
        PolicyName.PURGE: None if job_seeking is None else job_seeking.invalidated_at,
    }
    due = {name: _due_from(policies[name], event_at, now) for name, event_at in events.items()}
    reckoned = {name: policies[name].reckoning(at) for name, at in events.items() if at is not None and due[name]}
    # What was yet to come at an instant of the past is no anomaly if it has happened by now; then it prevented all.
    found = anomalies(account, job_seeking, max(now, clock))
    later = ["a date of it is later than that"] if anomalies(account, job_seeking, now) != found else []
    always = later + [f"anomaly: {kind.value}" for kind in found] + [f"hold {hold.id}" for hold in holds]
    return Explanation(
        account_id=account.id,
        at=now,
        state=account.state,
        effective_state=account.effective_state(now, policies.counter_only),
        registration=account.registration,
        withdrawn_at=events[PolicyName.COUNTER_ONLY],
        invalidated_at=events[PolicyName.PURGE],
        counter_only_from=due[PolicyName.COUNTER_ONLY],
        purge_from=due[PolicyName.PURGE],
        because={name: each.said for name, each in reckoned.items()},
        reckoned=reckoned,
        holds=holds,
        anomalies=found,
        prevented={
            PolicyName.PURGE: always + _before_purge(job_seeking, due[PolicyName.PURGE], now),
            PolicyName.COUNTER_ONLY: always
            + _before_counter_only(account, due[PolicyName.COUNTER_ONLY], due[PolicyName.PURGE], now),
        },
        history=history,
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
    return [] if due_from is not None and due_from <= now else ["its day has not come"]


def _before_counter_only(
    account: Account, due_from: datetime | None, purge_from: datetime | None, now: datetime
) -> list[str]:
    if account.state != State.WITHDRAWN:
        return [f"the account is {account.state}"]
    if purge_from is not None and purge_from <= now:
        return ["the purge is due and goes before"]
    return [] if due_from is not None and due_from <= now else ["its day has not come"]
