"""Cutoff: the bound on the event column that one instant fixes for one policy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from models.policy import Policies, PolicyName

__all__ = ["Cutoff"]


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
