"""Control: pauses, holding and freeing sweeps, frozen plans, decisions, what was expected."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Delete,
    Insert,
    Integer,
    Row,
    Select,
    Text,
    Update,
    and_,
    cast,
    delete,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy import exists as there_is
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on, insert
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from models import (
    Decision,
    DecisionKind,
    Forecast,
    Heartbeat,
    Pause,
    PlannedAccount,
    PolicyName,
    Sweep,
    SweepStatus,
)
from models.base import Instant
from tasks.rules.cutoff import Cutoff
from tasks.rules.gate import Stop
from tasks.statements.due import due_after

__all__ = [
    "CLOCK",
    "approve_one",
    "delete_pause",
    "delete_plan",
    "freeze_plan",
    "hold_running",
    "hold_sweep",
    "insert_decision",
    "insert_forecast",
    "insert_pause",
    "lock_sweep",
    "plan_on",
    "plan_one",
    "plan_some",
    "reject_sweep",
    "release_sweep",
    "select_clock",
    "select_decisions",
    "select_expected",
    "select_forecast_made",
    "select_foreseen",
    "select_last_judged",
    "select_pauses",
    "set_clock",
]

CLOCK = "clock"
# As long as a sweep may come late before its clock is questioned, and a day; what was foreseen earlier is only shown.
JUDGED_DAYS = 8
GOING = (SweepStatus.QUEUED.value, SweepStatus.RUNNING.value)


def select_pauses() -> Select[Any]:
    """Select all pauses: rows (policy, at, actor, reason)."""
    return select(*Pause.__table__.columns).order_by(Pause.policy)


def insert_pause(policy: PolicyName, *, actor: str, reason: str) -> ReturningInsert[str]:
    """Pause a policy; returns its name, or no row where it is paused already."""
    row = {"policy": policy.value, "at": func.now(), "actor": actor, "reason": reason}
    return insert(Pause).values(row).on_conflict_do_nothing().returning(Pause.policy)


def delete_pause(policy: PolicyName) -> ReturningDelete[str]:
    """End a policy's pause; returns its name, or no row where it is not paused."""
    return delete(Pause).where(Pause.policy == policy.value).returning(Pause.policy)


def lock_sweep(sweep_id: int) -> Select[Any]:
    """Lock one sweep: its row or none."""
    return select(*Sweep.__table__.columns).where(Sweep.id == sweep_id).with_for_update()


def hold_running(policy: PolicyName, stop: Stop) -> ReturningUpdate[int]:
    """Hold every sweep of a policy that could act; from the commit on, none of their batches commits."""
    # That none of them has ended follows from the status; said so, the index of those that have not finds them.
    return _held([stop], Sweep.policy == policy.value, Sweep.status.in_(GOING), Sweep.ended_at.is_(None))


def hold_sweep(seen: Row[Any], stops: list[Stop]) -> ReturningUpdate[int]:
    """Hold one sweep, or say anew why it is held; returns its id, or no row where it has moved on since `seen`."""
    decided = Sweep.approved_at.is_distinct_from(literal(seen.approved_at, Instant))
    return _held(stops, Sweep.id == seen.id, Sweep.status == seen.status, not_(decided))


def _held(stops: list[Stop], *which: Any) -> ReturningUpdate[int]:
    return (
        update(Sweep)
        .where(*which)
        .values(
            status=SweepStatus.HELD,
            held_at=func.coalesce(Sweep.held_at, func.now()),
            held_for=[stop.document() for stop in stops],
            heard_at=func.now(),
        )
        .returning(Sweep.id)
    )


def release_sweep(sweep_id: int) -> Update:
    """Let a held sweep act on its plan, and on nothing else, once its other gates let it pass."""
    values: dict[str, Any] = {"status": SweepStatus.QUEUED, "held_at": None, "held_for": [], "approved_at": func.now()}
    return update(Sweep).where(Sweep.id == sweep_id, Sweep.status == SweepStatus.HELD).values(values)


def reject_sweep(sweep_id: int) -> ReturningUpdate[int]:
    """End a held sweep without another act; returns its id, or no row where it is not held."""
    return (
        update(Sweep)
        .where(Sweep.id == sweep_id, Sweep.status == SweepStatus.HELD)
        .values(status=SweepStatus.REJECTED, ended_at=func.now(), held_at=None)
        .returning(Sweep.id)
    )


def plan_some(
    sweep_id: int, cutoff: Cutoff, *, after: tuple[datetime, int] | None, limit: int
) -> Select[datetime, int]:
    """Write down who is due now and comes after so far as a plan has come, so many at most.

    One row, of the last of them: (event_at, account_id); none where there was nobody left.
    """
    rows = due_after(cutoff, after, now=func.now()).limit(limit).cte("rows")
    plan = select(literal(sweep_id, BigInteger), rows.c.account_id)
    # Who is there already was planned by an earlier event, and has a later one now.
    written = insert(PlannedAccount).from_select(["sweep_id", "account_id"], plan).on_conflict_do_nothing()
    last = select(rows.c.event_at, rows.c.account_id).order_by(rows.c.event_at.desc(), rows.c.account_id.desc())
    return last.limit(1).add_cte(written.cte("written"))


def plan_on(sweep_id: int, *, to: tuple[datetime, int] | None) -> Update:
    """Write down how far a plan has come, by event and number of its last account; None: it is not begun."""
    at, account_id = to or (None, None)
    values = {"planned": None, "planned_digest": None, "planned_to_at": at, "planned_to": account_id}
    return update(Sweep).where(Sweep.id == sweep_id).values(values)


def freeze_plan(sweep_id: int) -> Update:
    """Say that a plan is complete: its accounts are counted, and their numbers digested."""
    number = PlannedAccount.account_id
    listed = func.string_agg(cast(number, Text), aggregate_order_by(literal(","), number))
    digested = func.sha256(func.convert_to(func.coalesce(listed, ""), "UTF8"))
    plan = select(func.count().label("accounts"), digested.label("digest")).where(PlannedAccount.sweep_id == sweep_id)
    frozen = plan.cte("frozen")
    accounts, digest = select(frozen.c.accounts).scalar_subquery(), select(frozen.c.digest).scalar_subquery()
    return update(Sweep).where(Sweep.id == sweep_id).values(planned=accounts, planned_digest=digest)


def plan_one(sweep_id: int, account_id: int) -> Insert:
    """Make one account the whole plan of a sweep."""
    return insert(PlannedAccount).values(sweep_id=sweep_id, account_id=account_id)


def approve_one(sweep_id: int, account_id: int) -> Update:
    """Let a sweep act on its plan of one account: whoever asked for it has looked at that."""
    digest = func.sha256(func.convert_to(str(account_id), "UTF8"))
    values: dict[str, Any] = {"planned": 1, "planned_digest": digest, "approved_at": func.now()}
    return update(Sweep).where(Sweep.id == sweep_id).values(values)


def delete_plan(sweep_id: int) -> Delete:
    """Forget a plan: its sweep has ended, or it is frozen anew."""
    return delete(PlannedAccount).where(PlannedAccount.sweep_id == sweep_id)


def insert_decision(
    kind: DecisionKind, *, policy: str, actor: str, reason: str, sweep_id: int | None = None, **details: Any
) -> Insert:
    """Write down a decision."""
    row = {"at": func.clock_timestamp(), "kind": kind, "policy": policy, "sweep_id": sweep_id}
    return insert(Decision).values(**row, actor=actor, reason=reason, details=details)


def select_decisions(*, sweep_id: int | None = None, before: int | None = None, limit: int) -> Select[Any]:
    """Select decisions, newest first: every column of `decisions`.

    Args:
        sweep_id: only this sweep's.
        before: only decisions with a smaller id; pages on.
        limit: rows at most.
    """
    rows = select(*Decision.__table__.columns).order_by(Decision.id.desc()).limit(limit)
    if sweep_id is not None:
        rows = rows.where(Decision.sweep_id == sweep_id)
    return rows if before is None else rows.where(Decision.id < before)


def select_last_judged(policy: PolicyName, *, before: int) -> Select[str | None]:
    """Select the fingerprint of the last sweep before `before` that its gates let pass: one row or none."""
    passed = (Sweep.policy == policy.value, Sweep.started_at.is_not(None), Sweep.fingerprint.is_not(None))
    return select(Sweep.fingerprint).where(*passed, Sweep.id < before).order_by(Sweep.id.desc()).limit(1)


def select_expected(policy: PolicyName, *, zone: str, as_of: datetime, before: int) -> Select[int | None]:
    """Select how many accounts were forecast for the days since the last sweep that was done: one row, one number.

    NULL where there was no such sweep, or no forecast had been made before the day of `as_of`: then nobody could
    know. Of several forecasts of a day, the last one made before it counts, if it is not too old to judge by.
    """
    day = func.date(func.timezone(zone, as_of))
    done = (Sweep.policy == policy.value, Sweep.status == SweepStatus.DONE, Sweep.fingerprint.is_not(None))
    last = select(func.max(Sweep.as_of)).where(*done, Sweep.id < before).scalar_subquery()
    known = there_is().where(Forecast.policy == policy.value, Forecast.made_on < day)
    days = (
        select(Forecast.accounts)
        .ext(distinct_on(Forecast.day))
        .where(
            Forecast.policy == policy.value,
            Forecast.made_on < Forecast.day,
            Forecast.made_on >= Forecast.day - literal(JUDGED_DAYS, Integer),
            Forecast.day > func.date(func.timezone(zone, last)),
            Forecast.day <= day,
        )
        .order_by(Forecast.day, Forecast.made_on.desc())
        .subquery()
    )
    expected = cast(func.coalesce(func.sum(days.c.accounts), 0), BigInteger)
    return select(select(expected).scalar_subquery()).where(and_(known, last.is_not(None)))


def select_forecast_made(policy: PolicyName, made_on: date) -> Select[date]:
    """Ask whether a day's forecasts were made: one row or none. The key finds the first of them, of the day after."""
    first = (Forecast.day == made_on + timedelta(days=1), Forecast.made_on == made_on)
    return select(Forecast.day).where(Forecast.policy == policy.value, *first)


def select_foreseen(policy: PolicyName, *, after: date, last: date) -> Select[date, int]:
    """Select the forecast made last of the days after `after` up to `last`, inclusive: rows (day, accounts), by day.

    Forecasts begin with the day after they are made. So the last of those that reach beyond `after` tells of the first
    of these days, by which the key finds it, however many were made in all the years.
    """
    first = (Forecast.policy == policy.value, Forecast.day == after + timedelta(days=1))
    made = select(func.max(Forecast.made_on)).where(*first).scalar_subquery()
    days = (Forecast.policy == policy.value, Forecast.made_on == made, Forecast.day > after, Forecast.day <= last)
    return select(Forecast.day, Forecast.accounts).where(*days).order_by(Forecast.day)


def insert_forecast(policy: PolicyName, *, day: date, made_on: date, accounts: int) -> Insert:
    """Write down what is expected of a day; the first forecast made on a day stays."""
    row = {"policy": policy.value, "day": day, "made_on": made_on, "accounts": accounts}
    return insert(Forecast).values(row).on_conflict_do_nothing()


def select_clock() -> Select[datetime, datetime | None]:
    """Read the database's clock, and the latest instant at which it was trusted: one row."""
    trusted = select(Heartbeat.at).where(Heartbeat.source == CLOCK).scalar_subquery()
    return select(func.clock_timestamp(), trusted)


def set_clock(at: datetime | None = None, *, back: bool = False) -> Insert:
    """Trust the clock up to `at`, by default now; back in time only where a person has decided so."""
    seen = insert(Heartbeat).values(source=CLOCK, at=at or func.clock_timestamp())
    later = or_(literal(back), not_(Heartbeat.at >= seen.excluded.at))
    return seen.on_conflict_do_update(index_elements=["source"], set_={"at": seen.excluded.at}, where=later)
