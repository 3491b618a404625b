"""The end of a sweep: nothing due is left, and other statements than those that acted find nothing wrong."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog
from celery import shared_task
from sqlalchemy import Connection, Engine, Row, func

from models import PolicyName, SweepStatus
from models.errors import Unavailable
from tasks import events
from tasks.base import MINUTELY, RETRYING, RetentionTask, Runtime
from tasks.control import WORKER
from tasks.gates import distrusts_clock
from tasks.open_sweep import open_sweep
from tasks.pauses import enforce_pause, write_pause
from tasks.reconcile import find_left, reconcile
from tasks.rules.cutoff import Cutoff
from tasks.rules.named import LONGEST
from tasks.statements.claim import take_lane
from tasks.statements.control import delete_plan
from tasks.statements.due import oldest_due
from tasks.statements.sweeps import end_sweep, fail_sweep, mark_reconciled
from tasks.transaction import transaction

__all__ = ["UNVERIFIED", "conclude", "fail_unverified", "give_up", "reconcile_sweep", "tell_unverified"]

# No drain has a lane of this number.
RECONCILING = -1
# Longer than any task may run: whoever has the lane only waits, while it works on other connections.
IDLE = timedelta(minutes=5)
# How the failure of a sweep begins that a verification failed.
UNVERIFIED = "unverified: "

log = structlog.get_logger()


@shared_task(bind=True, base=RetentionTask, name="retention.reconcile", **RETRYING)
def reconcile_sweep(self: RetentionTask, sweep_id: int) -> None:
    """Reconcile a running sweep that has nothing left to do, and end it; a finding fails it and pauses its policy.

    Every drain that finds nothing left asks for it; who comes second has nothing to do. By a database's clock that was
    set back nobody is due, and whoever was acted on, was so too early: then a later minute asks again.
    """
    current, cutoff = open_sweep(self.runtime, sweep_id)
    if current.status != SweepStatus.RUNNING or distrusts_clock(self.runtime):
        return
    left = _find_left(self.runtime, current, cutoff)
    if left is None:
        return
    with _alone(self.runtime.engine, sweep_id) as alone:
        if alone and not conclude(self.runtime, current, left):
            reconcile_sweep.apply_async((sweep_id,), **MINUTELY)


@contextmanager
def _alone(engine: Engine, sweep_id: int) -> Iterator[bool]:
    """Say whether nobody else reconciles the sweep while the block runs. A courtesy: done twice is done well."""
    with transaction(engine, statement=IDLE) as connection:
        yield connection.execute(take_lane(sweep_id, RECONCILING)).scalar_one()


def conclude(runtime: Runtime, current: Row[Any], left: list[str]) -> bool:
    """Reconcile for as long as a drain takes, and end the sweep where all is judged; returns whether to leave it.

    It is left unended, too, where the database's clock is not to be trusted: a later minute goes on.

    Args:
        runtime: what to work with.
        current: the sweep, which acts no more, and up to where it was reconciled before.
        left: what was found already.
    """
    found = reconcile(
        runtime.engine,
        runtime.policies,
        current.id,
        drained=False,
        after=current.reconciled_to,
        enough=runtime.patience(),
    )
    if distrusts_clock(runtime):  # it may have been set since
        return True
    if findings := left + found.findings:
        give_up(runtime.engine, current, "; ".join(findings))
        return True
    with transaction(runtime.engine) as connection:
        connection.execute(mark_reconciled(current.id, to=found.reached))
        if not found.whole:
            return False
        connection.execute(delete_plan(current.id))
        ended = connection.execute(end_sweep(current.id)).scalar_one_or_none()
    if ended is not None:
        log.info(events.SWEEP_DONE, sweep=current.id, policy=current.policy, accounts=current.accounts)
    return True


def give_up(engine: Engine, sweep: Row[Any], findings: str) -> None:
    """Fail a sweep and pause its policy: a verification found what no retry mends."""
    policy = PolicyName(sweep.policy)
    with transaction(engine) as connection:
        # The sweep's row first, as everybody takes them.
        failure = fail_unverified(connection, sweep.id, policy, findings)
        connection.execute(delete_plan(sweep.id))
    if failure is None:
        return
    tell_unverified(engine, sweep.id, policy, failure)


def fail_unverified(connection: Connection, sweep_id: int, policy: PolicyName, findings: str) -> str | None:
    """Fail a sweep and pause its policy with the caller's transaction: never the one without the other.

    Returns the failure as the sweep has it, for `tell_unverified` once that is committed; None where the sweep had
    ended before, and nothing was done.
    """
    failure = UNVERIFIED + findings
    if connection.execute(fail_sweep(sweep_id, failure=failure)).one_or_none() is None:
        return None
    # Findings may be longer than a reason; the sweep has them whole. Where somebody has paused the policy, that stays.
    reason = f"sweep {sweep_id} failed: {failure}"[: LONGEST["reason"]]
    write_pause(connection, policy, actor=WORKER, reason=reason)
    return failure


def tell_unverified(engine: Engine, sweep_id: int, policy: PolicyName, failure: str) -> None:
    """Say that a sweep has failed and its policy is paused, and wait for the policy's batches under way."""
    log.critical(events.SWEEP_FAILED, sweep=sweep_id, policy=policy, failure=failure)
    with suppress(Unavailable):  # a batch under way may commit, which nobody waits for here; no other will
        enforce_pause(engine, policy)


def _find_left(runtime: Runtime, current: Row[Any], cutoff: Cutoff) -> list[str] | None:
    """Return what the sweep has left that was due; None where there is more to do, and its drains go on.

    An empty claim may only mean that others hold the last rows. Both looks have one snapshot, so that nobody comes
    in between. Beyond a frozen plan, due accounts are left on purpose.
    """
    snapshot = runtime.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with transaction(snapshot) as connection:
        if connection.scalar(oldest_due(cutoff, now=func.now())) is not None:
            return None
        return [] if cutoff.plan_of is not None else find_left(connection, runtime.policies, current.id)
