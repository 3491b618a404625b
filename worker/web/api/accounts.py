"""Accounts: why one was touched or not, holds on them, and those set aside."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from typing_extensions import TypedDict

from tasks import holds as holding
from tasks import quarantine as setting_aside
from tasks.explain import explain
from worker.answers.explanation import Explanation, explanation
from worker.answers.lists import Hold, SetAside, read_holds, read_quarantine
from worker.answers.rows import document
from worker.web.access import Approver, Operator, Viewer
from worker.web.api.inputs import LARGEST, Limit, Number, Told, Which
from worker.web.api.said import REFUSED, THERE
from worker.web.office import Here

__all__ = ["router"]

router = APIRouter(tags=["accounts"])


class Holds(TypedDict):
    """Holds, newest first."""

    holds: list[Hold]


class Placed(TypedDict):
    """A hold that was placed."""

    id: int
    account_id: int


class Place(Told):
    """Which account to hold, and why."""

    account_id: Annotated[int, Field(ge=1, le=LARGEST)]


class Quarantine(TypedDict):
    """Failing accounts, those set aside for longest first."""

    quarantine: list[SetAside]


class Retry(TypedDict):
    """An account that is tried again by the next sweep of the policy."""

    account_id: int
    policy: str


class Retried(TypedDict):
    """Accounts that are tried again by the next sweep."""

    retried: list[Retry]


@router.get("/accounts/{account_id}", responses=THERE)
def account(office: Here, _: Viewer, account_id: Number) -> Explanation:
    """Tell how an account stands, what happens when and why, and what prevents it; of a deleted one, what the log says.

    No address, no name: only dates, states and numbers.
    """
    here = office.deployment
    return explanation(explain(here.engine, here.policies, account_id), here.zone)


@router.get("/holds")
def holds(
    office: Here,
    _: Viewer,
    account: Which = None,
    limit: Limit = 100,
    *,
    released: Annotated[bool, Query(description="Those that are released, too.")] = False,
) -> Holds:
    """List holds, newest first."""
    return {"holds": read_holds(office.deployment, account_id=account, released=released, limit=limit)}


@router.post("/holds", status_code=201, responses=REFUSED)
def place(office: Here, person: Operator, told: Place) -> Placed:
    """Place a hold: when this has answered, the worker can neither move nor delete the account."""
    number = holding.place(office.deployment.engine, told.account_id, actor=person.name, reason=told.reason)
    return {"id": number, "account_id": told.account_id}


@router.post("/holds/{hold_id}/release", responses=REFUSED)
def release(office: Here, person: Approver, hold_id: Number, told: Told) -> Hold:
    """Release a hold, for good: the account is the worker's again, unless another hold keeps it."""
    here = office.deployment
    released = holding.release(here.engine, hold_id, actor=person.name, reason=told.reason)
    shown: Any = document(released, here.zone, Hold.__annotations__)
    return shown  # type: ignore[no-any-return]  # its columns are the shape's


@router.get("/quarantine")
def quarantine(office: Here, _: Viewer, limit: Limit = 100) -> Quarantine:
    """List accounts that the database would not let the worker act on, with the error's code and table."""
    return {"quarantine": read_quarantine(office.deployment, limit=limit)}


@router.post("/quarantine/retry")
def retry_all(office: Here, person: Operator, told: Told) -> Retried:
    """Let every account in quarantine be tried again by the next sweep."""
    return _retry(office, None, person.name, told)


@router.post("/quarantine/{account_id}/retry", responses=THERE)
def retry(office: Here, person: Operator, account_id: Number, told: Told) -> Retried:
    """Let one account in quarantine be tried again by the next sweep."""
    return _retry(office, account_id, person.name, told)


def _retry(office: Here, account_id: int | None, actor: str, told: Told) -> Retried:
    retried = setting_aside.retry(office.deployment.engine, account_id, actor=actor, reason=told.reason)
    return {"retried": [{"account_id": number, "policy": policy} for number, policy in retried]}
