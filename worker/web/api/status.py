"""Where everything stands, what was done and what is to come."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from typing_extensions import TypedDict

from tasks.measure import FORESEEN_DAYS, foreseen
from tasks.standing import read_standing
from tasks.transaction import transaction
from worker.answers.days import Days, read_days
from worker.answers.forecast import Forecast, forecast_document
from worker.answers.status import Paused, Status, read_pauses, read_status
from worker.web.access import Viewer
from worker.web.office import Here

__all__ = ["router"]

router = APIRouter(tags=["status"])


class Pauses(TypedDict):
    """The policies that are paused."""

    paused: dict[str, Paused]


@router.get("/status")
def status(office: Here, _: Viewer) -> Status:
    """Say what is due and late, under way, paused, set aside, and who is at work.

    What has to be counted is as of `measured_at`, a minute or two ago; the rest is as of now.
    """
    here = office.deployment
    with transaction(here.engine) as connection:
        standing = read_standing(connection)
    return read_status(here, standing, office.at_work.names())


@router.get("/pauses")
def pauses(office: Here, _: Viewer) -> Pauses:
    """Say which policies are paused, since when, by whom and why."""
    return {"paused": read_pauses(office.deployment)}


@router.get("/days")
def days(office: Here, _: Viewer, days: Annotated[int, Query(ge=1, le=3660)] = 90) -> Days:
    """Say what was done on each of the last local days, today included."""
    return read_days(office.deployment, days=days)


@router.get("/forecast")
def forecast(office: Here, _: Viewer, days: Annotated[int, Query(ge=1, le=FORESEEN_DAYS)] = 30) -> Forecast:
    """Say what falls due on each of the next local days, as was last foreseen: once a day."""
    here = office.deployment
    now = datetime.now(UTC)
    with transaction(here.engine) as connection:
        standing = read_standing(connection)
        ahead = {policy.name: foreseen(connection, policy, now, days=days) for policy in here.policies}
    due = {policy.name: standing.policies[policy.name].due if standing else None for policy in here.policies}
    return forecast_document(here, now, due, ahead)
