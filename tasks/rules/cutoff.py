"""Cutoff: the bound on the event column that one instant fixes for one policy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from models.policy import Policies, PolicyName
from tasks.rules.gate import Gate, Stop

__all__ = ["Cutoff", "cutoff_stops"]


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Which accounts one sweep of a policy is about.

    Attributes:
        policy: what would be done to them.
        at: bound on the policy's event column: exclusive for `counter_only`, inclusive for `purge`.
        purge_at: inclusive bound on `invalidated_at`; whoever falls under it is left to the purge.
        plan_of: sweep whose frozen plan says who, and nobody else; None for all under the bound.
    """

    policy: PolicyName
    at: datetime
    purge_at: datetime
    plan_of: int | None = None

    @classmethod
    def of(cls, policies: Policies, name: PolicyName, now: datetime) -> Self:
        """Return the cutoff of policy `name` at `now`."""
        return cls(name, policies[name].cutoff(now), policies.purge.cutoff(now))


def cutoff_stops(policies: Policies, cutoff: Cutoff, now: datetime) -> list[Stop]:
    """Return a stop where a sweep's cutoff is later than the law's at `now`: somebody would be acted on too early.

    It came from the law once and the law's never goes back, so it was changed since, or follows from other rules.
    """
    latest = policies[cutoff.policy].cutoff(now)
    if cutoff.at <= latest:
        return []
    said, allowed = cutoff.at.isoformat(), latest.isoformat()
    detail = (
        f"its cutoff, {said}, lies beyond {allowed}, the latest that the law allows now; "
        "reject it, and find out who has changed it"
    )
    return [Stop(Gate.CUTOFF, detail, numbers={"cutoff": said, "latest": allowed})]
