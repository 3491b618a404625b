"""The JSON API, `/api/v1`: what the command line tells and does, for other programs and the page."""

from typing import Any

from fastapi import APIRouter

from worker.web.api import status
from worker.web.problems import ProblemDocument

__all__ = ["router"]

SAID = {
    401: "No token, an unknown one, or one that has expired.",
    403: "The role is too low, or the page may be another site's.",
    503: "The database or the broker does not answer; try again.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {
        "description": text,
        "model": ProblemDocument,
        "content": {"application/problem+json": {}},
    }
    for code, text in SAID.items()
}

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)
for _part in (status,):
    router.include_router(_part.router)
