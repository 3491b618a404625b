"""What runs by itself: the minute's tasks, sweeps, their gates, and what goes wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from filled import DUE, Filled
from sweeping import closable, purgeable

from models import PolicyName
from models.errors import StatementError
from tasks import control, pauses
from tasks.finish import give_up
from tasks.pace import Pace
from tasks.reconcile import reconcile
from tasks.resolve import resolve_batch
from worker.settings import Settings

__all__ = ["SCENARIOS"]

SAYS = {"actor": "sato", "reason": "r"}
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation;
END $$;
CREATE TRIGGER refuse BEFORE DELETE ON accounts FOR EACH ROW WHEN (OLD.id = {}) EXECUTE FUNCTION refuse()
"""


@contextmanager
def _changed(filled: Filled, **runtime: Any) -> Iterator[None]:
    """Let the worker have another runtime meanwhile."""
    hand, before = filled.hand, filled.hand.runtime
    hand.app.runtime = replace(before, **runtime)
    yield
    hand.app.runtime = before


def _due(filled: Filled, policy: PolicyName, accounts: int) -> list[int]:
    insert = {PolicyName.PURGE: purgeable, PolicyName.COUNTER_ONLY: closable}[policy]
    with filled.here.engine.begin() as connection:
        return [insert(connection) for _ in range(accounts)]


def _running(filled: Filled, policy: PolicyName) -> int:
    number = filled.hand.request(policy)
    assert filled.hand.sweep(number).status == "running"
    return number


def minutes_pass(filled: Filled) -> None:
    """Do what happens each minute, but for verifying, whose first time reads all; beat's ticks are claimed and done."""
    for task in ("dispatch", "recover", "prepare_log", "measure"):
        filled.hand.do(task)
    for policy in PolicyName:
        ((number,),) = filled.hand.rows("SELECT max(id) FROM sweeps WHERE policy = :p AND actor = 'beat'", p=policy)
        done = filled.hand.carry_out(number)
        assert (done.status, 0 < done.accounts <= DUE) == ("done", True)
        found = reconcile(filled.here.engine, filled.here.policies, number, drained=True)
        assert found.findings == []


def a_sweep_waits_for_a_person_and_is_rejected(filled: Filled) -> None:
    """Hold one by a ceiling, so that its plan is frozen; by a changed policy; reject both."""
    _due(filled, PolicyName.COUNTER_ONLY, 20)
    changes = ({"limits": Settings(ceiling_accounts=10).limits}, {"policies": Settings(reactivation_days=29).policies})
    for changed in changes:
        with _changed(filled, **changed):
            number = filled.hand.request(PolicyName.COUNTER_ONLY)
            assert filled.hand.sweep(number).planned
        control.reject(filled.here.engine, number, **SAYS)


def a_sweep_is_approved(filled: Filled) -> None:
    """Hold one by a ceiling and a clock, approve it, let it act on its plan."""
    _due(filled, PolicyName.PURGE, 20)
    with _changed(filled, limits=Settings(ceiling_accounts=10).limits):
        number = filled.hand.request(PolicyName.PURGE)
        assert filled.hand.sweep(number).planned == 20
        control.approve(filled.here.engine, number, **SAYS)
        assert filled.hand.carry_out(number).accounts == 20


def an_account_is_set_aside(filled: Filled) -> None:
    """Let the database refuse one of some accounts, so that their batch is split."""
    refused, *_ = _due(filled, PolicyName.PURGE, 4)
    filled.hand.run(REFUSE.format(refused))
    number = filled.hand.request(PolicyName.PURGE)
    assert filled.hand.carry_out(number).accounts == 3
    filled.hand.run("DROP TRIGGER refuse ON accounts")


def a_sweep_meets_errors(filled: Filled) -> None:
    """Let a claim fail and be tried again; then look what became of a batch whose commit was not answered."""
    _due(filled, PolicyName.PURGE, 4)
    number = _running(filled, PolicyName.PURGE)
    filled.hand.run("ALTER TABLE quarantine RENAME TO away")
    with pytest.raises(StatementError):
        filled.hand.do("drain", number, 0)
    filled.hand.run("ALTER TABLE away RENAME TO quarantine")
    filled.hand.do("drain", number, 0)
    assert (filled.hand.row(number).attempts, filled.hand.carry_out(number).status) == (0, "done")
    ((receipt_id,),) = filled.hand.rows("SELECT max(id) FROM receipts WHERE sweep_id = :id", id=number)
    resolve_batch(filled.here.engine, sweep_id=number, lane=0, receipt_id=receipt_id)


def a_sweep_rests_in_quiet_hours(filled: Filled) -> None:
    """Wake a sweep of the cron in hours in which it is to rest."""
    number = _running(filled, PolicyName.PURGE)
    filled.hand.run("UPDATE sweeps SET tick = as_of WHERE id = :id", id=number)
    local = datetime.now(ZoneInfo("Asia/Tokyo"))
    hours = f"{local - timedelta(hours=1):%H:%M}-{local + timedelta(hours=1):%H:%M}"
    with _changed(filled, policies=Settings(purge_quiet_hours=hours).policies):
        filled.hand.do("drain", number, 0)
    assert filled.hand.row(number).heard_at > datetime.now(UTC) - timedelta(minutes=5)
    assert filled.hand.carry_out(number).status == "done"


def a_sweep_has_others_beside_it(filled: Filled) -> None:
    """Drain while somebody else has written something."""
    number = _running(filled, PolicyName.PURGE)
    pace = Pace(filled.here.engine, most=0.01, lanes=1)
    with psycopg.connect(filled.here.addresses.database_url) as other, _changed(filled, pace=pace):
        other.execute("INSERT INTO accounts (registration) VALUES ('online')")
        filled.hand.do("drain", number, 0)
        other.rollback()
    assert filled.hand.carry_out(number).status == "done"


def a_sweep_is_stopped_between_batches(filled: Filled) -> None:
    """Pause its policy behind its back: it passes its gates again."""
    number = _running(filled, PolicyName.PURGE)
    filled.hand.run("INSERT INTO pauses VALUES ('purge', now(), 'sato', 'r')")
    filled.hand.do("drain", number, 0)
    assert filled.hand.sweep(number).status == "held"
    pauses.resume(filled.here.engine, PolicyName.PURGE, **SAYS)
    assert filled.hand.carry_out(number).status == "done"


def a_sweep_is_given_up(filled: Filled) -> None:
    """Let a verification find what no retry mends: the sweep fails, its policy is paused."""
    number = _running(filled, PolicyName.PURGE)
    give_up(filled.here.engine, filled.hand.row(number), "found by a test")
    assert filled.hand.row(number).status == "failed"
    pauses.resume(filled.here.engine, PolicyName.PURGE, **SAYS)


SCENARIOS = (
    minutes_pass,
    a_sweep_waits_for_a_person_and_is_rejected,
    a_sweep_is_approved,
    an_account_is_set_aside,
    a_sweep_meets_errors,
    a_sweep_rests_in_quiet_hours,
    a_sweep_has_others_beside_it,
    a_sweep_is_stopped_between_batches,
    a_sweep_is_given_up,
)
