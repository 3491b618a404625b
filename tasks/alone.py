"""Alone: an account that is too large for any sweep, done by whoever asks for it, with all the time it needs."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from time import sleep
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, func, select

from models import DecisionKind, Policies, Policy, PolicyName, SweepStatus
from models.errors import NotThereError, OutcomeUnknownError, Refused, Unavailable, Unverified
from models.proof import Head
from tasks import events
from tasks.base import Runtime
from tasks.batch import Known, act
from tasks.finish import conclude, fail_unverified, tell_unverified
from tasks.gates import distrusts_clock, judge_alone
from tasks.reconcile import verify_batch
from tasks.resolve import resolve_batch
from tasks.rules.cutoff import Cutoff
from tasks.rules.named import require_named
from tasks.statements.claim import keep_pauses_out, take_lane
from tasks.statements.control import approve_one, insert_decision, plan_one
from tasks.statements.quarantine import retry_account, select_set_aside
from tasks.statements.sweeps import insert_sweep, select_sweeps, start_sweep
from tasks.transaction import transaction

__all__ = ["Done", "act_alone", "conclude_alone"]

# Nobody else knows of the sweep, so that any is free.
LANE = 0
# How long one waits before each look at what became of a commit.
LOOKS_AFTER_SECONDS = (0, 1, 2, 4, 8, 16)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to one account.

    Attributes:
        policy: what it was.
        sweep_id: the sweep that it is recorded as.
        receipt_id: its receipt.
        head: of the chain, with that receipt as its last.
    """

    policy: PolicyName
    sweep_id: int
    receipt_id: int
    head: Head


@dataclass(frozen=True, slots=True)
class _Asked:
    account_id: int
    policy: Policy
    actor: str
    reason: str


def act_alone(
    runtime: Runtime, account_id: int, *, policy: PolicyName | None = None, actor: str, reason: str, patience: timedelta
) -> Done:
    """Act on an account that was set aside, in one transaction of this process that may take very long.

    It is a sweep of its own, which nobody sees before all is done: so no worker takes part, and what is broken off was
    never there. The account is then out of quarantine; of what else it owns, nothing is locked. When this has returned,
    it is done; what is left to do is `conclude_alone`.

    Args:
        runtime: what to work with.
        account_id: which account.
        policy: what to do; None where it was set aside for one policy only.
        actor: who asks.
        reason: why.
        patience: longest run of one statement.

    Raises:
        NotThereError: the account is not set aside, or not for that.
        Refused: it is set aside for both policies and none is named, a gate is shut, the account is not due or somebody
            has it, or actor or reason cannot be recorded.
        Unverified: other statements find something wrong with it; it was undone, and the policy is paused.
        Unavailable: see `transaction`; `TooLongError`, where the patience was not enough.
        OutcomeUnknownError: the commit was not answered, nor did the database since.
        StatementError: the database refuses still what would be done.
    """
    require_named(actor=actor, reason=reason)
    name = _set_aside_for(runtime, account_id, policy)
    asked = _Asked(account_id, runtime.policies[name], actor, reason)
    if stops := judge_alone(runtime, asked.policy):
        raise Refused("; ".join(stop.detail for stop in stops))
    done = None
    try:
        with transaction(runtime.engine, statement=patience) as connection:
            done = _act(connection, runtime.policies, asked)
    except Unverified as error:
        raise _given_up(runtime, asked, str(error)) from None
    except (OutcomeUnknownError, KeyboardInterrupt, SystemExit):
        # What comes during the commit comes too late, or just in time.
        if done is None:
            raise
        if not _was_committed(runtime.engine, account_id, done):
            raise Unavailable("the commit was not carried out: nothing was changed") from None
    log.info(events.BATCH_COMMITTED, sweep=done.sweep_id, policy=done.policy, accounts=1, receipt=done.receipt_id)
    return done


def conclude_alone(runtime: Runtime, sweep_id: int) -> str | None:
    """Reconcile the sweep of what was done alone and end it, as any worker would that came first.

    Returns why this is left to a worker, which comes to it within a minute, or once the policy is resumed; None where
    it has ended.

    Raises:
        Unverified: other statements find something wrong with it; the policy is paused.
    """
    is_left = False
    try:
        while (current := _load(runtime, sweep_id)).ended_at is None:
            if is_left:
                if distrusts_clock(runtime):
                    return "its clock is not to be trusted now; see `retention doctor`"
                return f"it is {current.status}; see `retention sweeps`, and resume the policy if that is paused"
            is_left = conclude(runtime, current, [])
    except Unavailable as error:
        return str(error)
    if current.status == SweepStatus.FAILED:
        raise Unverified(f"sweep {sweep_id} failed: {current.failure}")
    return None


def _set_aside_for(runtime: Runtime, account_id: int, wanted: PolicyName | None) -> PolicyName:
    """Return for which policy the account is set aside, the wanted one or else the only one."""
    with transaction(runtime.engine) as connection:
        names = [PolicyName(row.policy) for row in connection.execute(select_set_aside(account_id))]
    if not names or wanted not in (None, *names):
        what = f" for {wanted}" if wanted else ""
        raise NotThereError(f"account {account_id} is not set aside{what}; look with `retention quarantine list`")
    if wanted is None and len(names) > 1:
        raise Refused(f"account {account_id} is set aside for {' and '.join(names)}: say which it is, with `--policy`")
    return wanted or names[0]


def _act(connection: Connection, policies: Policies, asked: _Asked) -> Done:
    name, account_id = asked.policy.name, asked.account_id
    connection.execute(retry_account(account_id, name))
    sweep_id, cutoff = _insert_sweep(connection, policies, asked)
    connection.execute(take_lane(sweep_id, LANE))
    connection.execute(plan_one(sweep_id, account_id))
    connection.execute(start_sweep(sweep_id, due=1, allowed=None, seen=SweepStatus.QUEUED))
    connection.execute(approve_one(sweep_id, account_id))
    decided = insert_decision(
        DecisionKind.RETRIED,
        policy=name,
        sweep_id=sweep_id,
        actor=asked.actor,
        reason=asked.reason,
        account_id=account_id,
    )
    connection.execute(decided)

    def examine(connection: Connection, _: int) -> None:
        connection.execute(keep_pauses_out(name))

    planned = replace(cutoff, plan_of=sweep_id)
    batch = act(connection, asked.policy, planned, sweep_id=sweep_id, limit=1, examine=examine, known=Known())
    if batch.receipt_id is None or batch.head is None:
        raise Refused(
            f"account {account_id} is not due for {name} now, or somebody else has it at this moment; "
            f"look with `retention explain {account_id}`"
        )
    # As of a canary: by other statements, while it can still be undone.
    if findings := verify_batch(connection, policies, batch.receipt_id):
        raise Unverified(f"account {account_id} was left as it was: " + "; ".join(findings))
    return Done(name, sweep_id, batch.receipt_id, batch.head)


def _insert_sweep(connection: Connection, policies: Policies, asked: _Asked) -> tuple[int, Cutoff]:
    # The transaction's time, by which it is judged who is due.
    now = connection.execute(select(func.now())).scalar_one()
    cutoff = Cutoff.of(policies, asked.policy.name, now)
    # No fingerprint: it is about one account, and no example for the policy's own sweeps.
    sweep = insert_sweep(cutoff, as_of=now, tick=None, actor=asked.actor, reason=asked.reason, fingerprint=None)
    return connection.execute(sweep).scalar_one(), cutoff


def _was_committed(engine: Engine, account_id: int, done: Done) -> bool:
    """Look what became of a commit, as a drain does, but not for ever: somebody waits for the answer."""
    log.warning(events.BATCH_UNKNOWN, sweep=done.sweep_id, lane=LANE, receipt=done.receipt_id)
    with suppress(KeyboardInterrupt, SystemExit):  # who does not wait is told what there is to know
        for seconds in LOOKS_AFTER_SECONDS:
            sleep(seconds)
            with suppress(Unavailable):
                return resolve_batch(engine, sweep_id=done.sweep_id, lane=LANE, receipt_id=done.receipt_id)
    raise OutcomeUnknownError(
        "whether it was done is not known, as the connection broke during the commit and the database has not answered "
        f"since; it was if `retention log list --account {account_id}` shows receipt {done.receipt_id}"
    )


def _given_up(runtime: Runtime, asked: _Asked, findings: str) -> Unverified:
    """Do what a worker does that had to undo a batch: the sweep, which was undone with it, is there again as failed."""
    name = asked.policy.name
    failed = _failed(runtime, asked, findings)
    if failed is None:
        return Unverified(f"{findings}; the database is away: see by `retention status` whether {name} is paused")
    sweep_id, failure = failed
    if failure is not None:
        tell_unverified(runtime.engine, sweep_id, name, failure)
    return Unverified(f"sweep {sweep_id} failed, and {name} is paused: {findings}")


def _failed(runtime: Runtime, asked: _Asked, findings: str) -> tuple[int, str | None] | None:
    """Return a failed sweep's number and failure; None where the database is away, and nobody waits for it any longer.

    If it had done it without saying so, it is there twice.
    """
    with suppress(KeyboardInterrupt, SystemExit):
        for seconds in LOOKS_AFTER_SECONDS:
            sleep(seconds)
            try:
                with transaction(runtime.engine) as connection:
                    sweep_id, _ = _insert_sweep(connection, runtime.policies, asked)
                    return sweep_id, fail_unverified(connection, sweep_id, asked.policy.name, findings)
            except Unavailable as error:
                log.warning(events.BATCH_FAILED, lane=LANE, policy=asked.policy.name, failure=str(error))
    return None


def _load(runtime: Runtime, sweep_id: int) -> Row[Any]:
    with transaction(runtime.engine) as connection:
        return connection.execute(select_sweeps(ids=[sweep_id])).one()
