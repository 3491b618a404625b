"""Where everything stands."""

from fastapi import APIRouter

from tasks.standing import read_standing
from tasks.transaction import transaction
from worker.answers.status import Status, read_status
from worker.web.access import Viewer
from worker.web.office import Here

__all__ = ["router"]

router = APIRouter(tags=["status"])


@router.get("/status")
def status(office: Here, _: Viewer) -> Status:
    """Say what is due and late, under way, paused, set aside, and who is at work.

    What has to be counted is as of `measured_at`, at most some minutes ago; the rest is as of now.
    """
    here = office.deployment
    with transaction(here.engine) as connection:
        standing = read_standing(connection)
    return read_status(here, standing, office.at_work.names())
