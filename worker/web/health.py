"""Is the process alive, and can the deployment do its work."""

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from worker.web.office import Here
from worker.web.readiness import OK

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Alive(TypedDict):
    """The process answers."""

    ok: bool


class Ready(TypedDict):
    """Whether all is there that the worker relies on; each check is `ok`, or says what fails."""

    ok: bool
    checks: dict[str, str]


@router.get("/livez")
async def livez() -> Alive:
    """Say that the process answers; depends on nothing else."""
    return {"ok": True}


@router.get("/readyz", responses={503: {"description": "A check fails; it says what.", "model": Ready}})
def readyz(office: Here, response: Response) -> Ready:
    """Check database, broker, schema and whether beat was heard lately; once a second, however many ask."""
    found = office.readiness.found()
    is_ready = all(said == OK for said in found.values())
    response.status_code = 200 if is_ready else 503
    return {"ok": is_ready, "checks": found}
