"""A person triggers a sweep by hand; who and why is part of it."""

from celery import shared_task
from sqlalchemy import Engine

from models import Policies, PolicyName
from models.errors import Refused
from tasks.base import MINUTELY, RETRYING, RetentionTask
from tasks.rules.cutoff import Cutoff
from tasks.rules.named import require_named
from tasks.statements.sweeps import insert_sweep, read_clock
from tasks.sweep import sweep
from tasks.transaction import transaction

__all__ = ["ALL", "request_sweeps", "run"]

ALL = "all"


@shared_task(bind=True, base=RetentionTask, name="retention.run", **RETRYING)
def run(self: RetentionTask, *, policy: str, actor: str, reason: str) -> None:
    """Request a sweep of `policy`, or of both with `all`, and wake it."""
    for sweep_id in request_sweeps(
        self.runtime.engine, self.runtime.policies, policy=policy, actor=actor, reason=reason
    ):
        sweep.apply_async((sweep_id,), **MINUTELY)


def request_sweeps(engine: Engine, policies: Policies, *, policy: str, actor: str, reason: str) -> list[int]:
    """Insert a sweep as of now for each policy named, all or none; returns their ids.

    Raises:
        Refused: the policy is unknown, or actor or reason cannot be recorded.
        Unavailable: the database did not answer.
    """
    known = [name.value for name in PolicyName]
    if policy not in (*known, ALL):
        raise Refused(f"there is no policy of that name; give one of {', '.join(known)}, {ALL}")
    require_named(actor=actor, reason=reason)
    chosen = [each for each in policies if policy in (each.name, ALL)]
    with transaction(engine) as connection:
        now = connection.execute(read_clock()).scalar_one()
        return [
            connection.execute(
                insert_sweep(
                    Cutoff.of(policies, each.name, now),
                    as_of=now,
                    tick=None,
                    actor=actor,
                    reason=reason,
                    fingerprint=each.fingerprint,
                )
            ).scalar_one()
            for each in chosen
        ]
