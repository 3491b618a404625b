"""Pauses: a person stops a policy at once, and lets it go on."""

from datetime import timedelta

import structlog
from sqlalchemy import Connection, Engine

from models import DecisionKind, PolicyName, SweepStatus
from models.errors import Refused, Unavailable
from tasks import events
from tasks.rules.gate import Gate, Stop
from tasks.rules.named import require_named
from tasks.statements.claim import await_unseen
from tasks.statements.control import (
    delete_pause,
    hold_running,
    insert_decision,
    insert_pause,
    select_pauses,
)
from tasks.statements.sweeps import select_sweeps
from tasks.transaction import transaction

__all__ = ["enforce_pause", "pause", "pause_stops", "resume", "write_pause"]

# As long as a statement of a batch may run, nearly.
BATCH_PATIENCE = timedelta(seconds=35)

log = structlog.get_logger()


def pause(engine: Engine, policy: PolicyName, *, actor: str, reason: str) -> None:
    """Stop a policy; once this has returned, none of its batches commits.

    Raises:
        Refused: it is paused already, or actor or reason cannot be recorded.
        Unavailable: a batch under way took too long to wait for; it may commit, and no other will.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection:
        if not write_pause(connection, policy, actor=actor, reason=reason):
            raise Refused(f"{policy} is paused already; `retention status` says by whom and why")
    enforce_pause(engine, policy)


def write_pause(connection: Connection, policy: PolicyName, *, actor: str, reason: str) -> bool:
    """Pause a policy with the caller's transaction; returns whether it was not paused already.

    From the commit on it is in force for every batch that has still to be counted; `enforce_pause` awaits the others.
    """
    if connection.execute(insert_pause(policy, actor=actor, reason=reason)).one_or_none() is None:
        return False
    connection.execute(insert_decision(DecisionKind.PAUSED, policy=policy, actor=actor, reason=reason))
    return True


def enforce_pause(engine: Engine, policy: PolicyName) -> None:
    """Hold the sweeps of a policy that is paused, and wait for its batches that were counted already.

    Raises:
        Unavailable: a batch under way took too long to wait for; it may commit, and no other will.
    """
    try:
        with transaction(engine, lock=BATCH_PATIENCE) as connection:
            for stop in pause_stops(connection, policy):
                connection.execute(hold_running(policy, stop))
            # After that, or what has just been done whole would be held besides.
            connection.execute(await_unseen(policy))
    except Unavailable:
        raise Unavailable(
            f"{policy} is paused, but a batch under way was not to be waited for; that one may still commit"
        ) from None
    log.warning(events.POLICY_PAUSED, policy=policy)


def resume(engine: Engine, policy: PolicyName, *, actor: str, reason: str) -> list[int]:
    """End a policy's pause; returns the held sweeps to wake, which their gates judge anew.

    Raises:
        Refused: it is not paused, or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection:
        if connection.execute(delete_pause(policy)).one_or_none() is None:
            raise Refused(f"{policy} is not paused")
        connection.execute(insert_decision(DecisionKind.RESUMED, policy=policy, actor=actor, reason=reason))
        open_sweeps = connection.execute(select_sweeps(unended=True)).all()
    log.warning(events.POLICY_RESUMED, policy=policy)
    return [each.id for each in open_sweeps if each.policy == policy and each.status == SweepStatus.HELD]


def pause_stops(connection: Connection, name: PolicyName) -> list[Stop]:
    """Return the stop of a policy where it is paused."""
    pauses = connection.execute(select_pauses()).all()
    return [_stop(actor=each.actor, reason=each.reason) for each in pauses if each.policy == name]


def _stop(*, actor: str, reason: str) -> Stop:
    detail = f"paused by {actor}: {reason}; resume it with `retention resume`"
    return Stop(Gate.PAUSE, detail, numbers={"actor": actor, "reason": reason})
