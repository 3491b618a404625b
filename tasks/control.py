"""Control: a gate holds a sweep; a person approves or rejects it, or it goes on when its reasons have gone."""

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row

from models import DecisionKind, SweepStatus
from models.errors import NotThereError, Refused
from tasks import events
from tasks.rules.cutoff import Cutoff
from tasks.rules.gate import Gate, Stop
from tasks.rules.named import require_named
from tasks.statements.control import (
    delete_plan,
    freeze_plan,
    hold_sweep,
    insert_decision,
    lock_sweep,
    plan_on,
    plan_some,
    reject_sweep,
    release_sweep,
    set_clock,
)
from tasks.statements.hash_partitions import look_up_by_index
from tasks.transaction import transaction

__all__ = ["WORKER", "approve", "free", "freeze", "hold", "reject", "void"]

WORKER = "worker"
# A portion of a plan takes a second or two, and where nothing of it is in memory many; then comes the next.
PORTION = 100_000

log = structlog.get_logger()


def hold(engine: Engine, sweep: Row[Any], stops: list[Stop]) -> None:
    """Hold a sweep, or say anew why it is held."""
    reason = "; ".join(stop.detail for stop in stops)
    # It is judged each minute; numbers that move on, as the seconds of a clock, are no news.
    is_news = [stop["gate"] for stop in sweep.held_for] != [stop.gate for stop in stops]
    with transaction(engine) as connection:
        # A person who has decided meanwhile is not overruled by what was judged before.
        if connection.execute(hold_sweep(sweep, stops)).one_or_none() is None:
            return
        if is_news:
            held_for = [stop.document() for stop in stops]
            _decide(connection, DecisionKind.HELD, sweep, WORKER, reason, held_for=held_for)
    if is_news:
        # Why somebody paused is their own text, and is shown where operators look, not logged.
        details = [stop.detail for stop in stops if stop.gate is not Gate.PAUSE]
        gates = [stop.gate.value for stop in stops]
        log.error(events.SWEEP_HELD, sweep=sweep.id, policy=sweep.policy, gates=gates, details=details)


def freeze(engine: Engine, sweep: Row[Any], cutoff: Cutoff, *, enough: Callable[[], bool]) -> None:
    """Write down the plan of a held sweep that a person can release, once: who would be touched, and nobody else.

    A portion after the other, until `enough`, which is asked after each.

    Where millions are, it is not whole then; the next minute, which judges the sweep again, goes on. What becomes due
    once it is whole, as by another mistake at the same cutoff, is not in it.
    """
    while _freeze_some(engine, sweep.id, cutoff) and not enough():
        pass


def _freeze_some(engine: Engine, sweep_id: int, cutoff: Cutoff) -> bool:
    """Write down a portion of a plan; returns whether there may be more."""
    with transaction(engine) as connection:
        locked = connection.execute(lock_sweep(sweep_id)).one()
        if locked.status != SweepStatus.HELD or locked.planned is not None:
            return False
        # Or for a guess of how many are due the planner reads an index from end to end, in each portion.
        connection.execute(look_up_by_index())
        after = None if locked.planned_to is None else (locked.planned_to_at, locked.planned_to)
        portion = connection.execute(plan_some(sweep_id, cutoff, after=after, limit=PORTION)).one_or_none()
        if portion is None:
            connection.execute(freeze_plan(sweep_id))
            return False
        connection.execute(plan_on(sweep_id, to=(portion.event_at, portion.account_id)))
        return True


def void(engine: Engine, sweep: Row[Any]) -> None:
    """Reject a sweep that was asked for as of an instant to come: the clock that said so has been put right."""
    stop = Stop(Gate.CLOCK, f"it was asked for as of {sweep.as_of.isoformat()}, which is yet to come")
    with transaction(engine) as connection:
        if connection.execute(hold_sweep(sweep, [stop])).one_or_none() is None:
            return
        connection.execute(reject_sweep(sweep.id))
        connection.execute(delete_plan(sweep.id))
        _decide(connection, DecisionKind.REJECTED, sweep, WORKER, stop.detail)
    log.warning(events.SWEEP_REJECTED, sweep=sweep.id)


def free(connection: Connection, sweep: Row[Any]) -> None:
    """Write down that a held sweep goes on, since its reasons have gone; unless approved, its plan is forgotten."""
    if sweep.approved_at is None:
        connection.execute(delete_plan(sweep.id))
        connection.execute(plan_on(sweep.id, to=None))
    reason = "; ".join(stop["detail"] for stop in sweep.held_for)
    _decide(connection, DecisionKind.FREED, sweep, WORKER, f"no longer so: {reason}")


def approve(engine: Engine, sweep_id: int, *, actor: str, reason: str) -> None:
    """Release a held sweep to act on its frozen plan, and on nothing else.

    Raises:
        Refused: there is no such sweep, it is not held, nobody can release it but the end of its reasons, or the
            one who asked for it by hand wants to approve it, too; or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection:
        held = _held(connection, sweep_id)
        _require_approvable(held, actor)
        if any(stop["gate"] == Gate.CLOCK and stop["needs_approval"] for stop in held.held_for):
            connection.execute(set_clock(back=True))
        connection.execute(release_sweep(sweep_id))
        plan = {
            "cutoff": held.cutoff.isoformat(),
            "fingerprint": held.fingerprint,
            "accounts": held.planned,
            "digest": held.planned_digest.hex(),
            "held_for": held.held_for,
        }
        _decide(connection, DecisionKind.APPROVED, held, actor, reason, **plan)
    log.warning(events.SWEEP_APPROVED, sweep=sweep_id, accounts=held.planned, digest=plan["digest"])


def reject(engine: Engine, sweep_id: int, *, actor: str, reason: str) -> None:
    """End a held sweep; what is due is judged anew by the next one.

    Raises:
        Refused: there is no such sweep, it is not held, or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection:
        held = _held(connection, sweep_id)
        connection.execute(reject_sweep(sweep_id))
        connection.execute(delete_plan(sweep_id))
        _decide(connection, DecisionKind.REJECTED, held, actor, reason)
    log.warning(events.SWEEP_REJECTED, sweep=sweep_id)


def _held(connection: Connection, sweep_id: int) -> Row[Any]:
    found = connection.execute(lock_sweep(sweep_id)).one_or_none()
    if found is None:
        raise NotThereError(f"there is no sweep {sweep_id}")
    if found.status != SweepStatus.HELD:
        raise Refused(f"sweep {sweep_id} is not held, it is {found.status}")
    return found


def _require_approvable(held: Row[Any], actor: str) -> None:
    if not any(stop["needs_approval"] for stop in held.held_for):
        details = "; ".join(stop["detail"] for stop in held.held_for)
        raise Refused(f"sweep {held.id} goes on by itself when its reason has gone: {details}")
    if held.tick is None and actor.strip().casefold() == held.actor.strip().casefold():
        raise Refused(f"{actor} asked for sweep {held.id}; somebody else has to approve it")
    if held.planned is None:
        raise Refused(f"the plan of sweep {held.id} is not written down yet; try again in a minute")


def _decide(
    connection: Connection, kind: DecisionKind, sweep: Row[Any], actor: str, reason: str, **details: Any
) -> None:
    connection.execute(
        insert_decision(kind, policy=sweep.policy, sweep_id=sweep.id, actor=actor, reason=reason, **details)
    )
