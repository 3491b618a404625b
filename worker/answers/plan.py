"""What a sweep would do."""

from typing_extensions import TypedDict

from tasks import plan
from worker.answers.instants import rfc3339
from worker.deployment import Deployment

__all__ = ["Plan", "plan_document"]


class Plan(TypedDict):
    """What a sweep of one policy would do at one instant; `sample` are the numbers of those it would touch first."""

    policy: str
    at: str
    cutoff: str
    due: int
    held: int
    anomalies: int
    oldest_due_at: str | None
    sample: list[int]


def plan_document(here: Deployment, found: plan.Plan) -> Plan:
    """Return a plan as JSON shows it."""
    return {
        "policy": found.policy.value,
        "at": str(rfc3339(found.at, here.zone)),
        "cutoff": str(rfc3339(found.cutoff, here.zone)),
        "due": found.due,
        "held": found.held,
        "anomalies": found.anomalies,
        "oldest_due_at": rfc3339(found.oldest_due_at, here.zone),
        "sample": list(found.sample),
    }
