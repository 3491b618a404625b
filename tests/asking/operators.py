"""What operators ask by the command line, and how they stop a policy and let it go on."""

from datetime import UTC, datetime

from filled import GONE, Filled

from models import PolicyName
from tasks import pauses, quarantine
from tasks.explain import explain
from tasks.measure import forecast
from tasks.plan import plan
from tasks.standing import lateness, take_standing
from tasks.transaction import transaction
from worker.acts import Acts
from worker.answers.lists import read_actions, read_decisions, read_quarantine
from worker.answers.status import read_status
from worker.answers.sweeps import read_sweeps

__all__ = ["SCENARIOS"]

SAYS = {"actor": "mori", "reason": "r"}


def status_plan_and_forecast_are_asked_for(filled: Filled) -> None:
    """As `retention status`, `plan` and `forecast` do: all is counted now."""
    here, now = filled.here, datetime.now(UTC)
    with transaction(here.engine) as connection:
        read_status(here, take_standing(connection, here.policies, now), None)
        for policy in here.policies:
            assert lateness(connection, here.policies, policy, now).due
            assert len(forecast(connection, here.policies, policy, now, days=30)) == 30
    for name in PolicyName:
        assert plan(here.engine, here.policies, name, now).due


def lists_are_asked_for(filled: Filled) -> None:
    """As `retention sweeps`, `log list` and `quarantine list` do, and each further page."""
    here = filled.here
    newest, *_ = read_sweeps(here, files=True, limit=20)
    assert read_sweeps(here, before=newest["id"], limit=20)
    for which in ({}, {"sweep_id": 2}, {"account_id": GONE}, {"before": 500}):
        assert read_actions(here, limit=20, **which), which
    for which in ({}, {"sweep_id": 2}, {"before": 500}):
        assert read_decisions(here, limit=20, **which), which
    assert read_quarantine(here, limit=100)


def accounts_are_explained(filled: Filled) -> None:
    """One that is there, and one that the log alone knows."""
    for account_id in (1, GONE):
        explain(filled.here.engine, filled.here.policies, account_id)


def accounts_in_quarantine_are_tried_again(filled: Filled) -> None:
    """One of them, then all."""
    first, *_ = read_quarantine(filled.here, limit=1)
    assert quarantine.retry(filled.here.engine, first["account_id"], **SAYS)
    assert quarantine.retry(filled.here.engine, None, **SAYS)


def policies_are_paused_and_resumed(filled: Filled) -> None:
    """Trigger a sweep, stop its policy, let it go on, and end it."""
    acts = Acts(filled.here, filled.hand.app, "mori")
    (asked,) = acts.run("purge", "r")
    assert filled.hand.sweep(asked["id"]).status == "running"
    acts.pause(PolicyName.PURGE, "r")
    assert filled.hand.row(asked["id"]).status == "held"
    assert asked["id"] in pauses.resume(filled.here.engine, PolicyName.PURGE, **SAYS)
    acts.pause(PolicyName.PURGE, "r")
    acts.reject(asked["id"], "r")
    acts.resume(PolicyName.PURGE, "r")


SCENARIOS = (
    status_plan_and_forecast_are_asked_for,
    lists_are_asked_for,
    accounts_are_explained,
    accounts_in_quarantine_are_tried_again,
    policies_are_paused_and_resumed,
)
