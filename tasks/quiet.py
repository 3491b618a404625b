"""Quiet hours: in them a sweep that the cron asked for does nothing, and loses nothing by it."""

from typing import Any

from sqlalchemy import Row

from models import SweepStatus
from tasks.base import Runtime
from tasks.statements.sweeps import hear_sweep, read_clock
from tasks.transaction import transaction

__all__ = ["is_resting"]


def is_resting(runtime: Runtime, sweep: Row[Any]) -> bool:
    """Say whether a sweep rests for its policy's quiet hours now, by the database's clock; that it does is noted.

    One that a person asked for never rests: they have decided that it is to be done now.
    """
    policy = runtime.policies[sweep.policy]
    if policy.quiet is None or sweep.tick is None or sweep.status != SweepStatus.RUNNING:
        return False
    with transaction(runtime.engine) as connection:
        now = connection.execute(read_clock()).scalar_one()
        if policy.quiet_until(now) is None:
            return False
        connection.execute(hear_sweep(sweep.id))
    return True
