"""Policies: what a sweep would do, and stopping it."""

from fastapi import APIRouter
from typing_extensions import TypedDict

from tasks.plan import plan_as_measured
from worker.answers.plan import Plan, plan_document
from worker.web.access import Operator, Viewer
from worker.web.api.inputs import PolicyPath, Told
from worker.web.api.said import REFUSED
from worker.web.office import Here

__all__ = ["router"]

router = APIRouter(prefix="/policies/{policy}", tags=["policies"])


class PolicyPaused(TypedDict):
    """Whether a policy is paused now."""

    policy: str
    paused: bool


@router.get("/plan")
def plan(office: Here, _: Viewer, policy: PolicyPath) -> Plan:
    """Say what a sweep would have done at the last measurement, `at`; changes nothing.

    `held` would be touched but for a hold; `anomalies` are never touched, for their dates make no sense.
    """
    here = office.deployment
    return plan_document(here, plan_as_measured(here.engine, here.policies, policy))


@router.post("/pause", responses=REFUSED)
def pause(office: Here, person: Operator, policy: PolicyPath, told: Told) -> PolicyPaused:
    """Stop a policy at once: when this has answered, no batch of it commits until it is resumed."""
    office.acts(person.name).pause(policy, told.reason)
    return {"policy": policy.value, "paused": True}


@router.post("/resume", responses=REFUSED)
def resume(office: Here, person: Operator, policy: PolicyPath, told: Told) -> PolicyPaused:
    """End a policy's pause; its sweeps pass their gates again and go on."""
    office.acts(person.name).resume(policy, told.reason)
    return {"policy": policy.value, "paused": False}
