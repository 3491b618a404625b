"""The JSON API, `/api/v1`: what the command line tells and does, for other programs and the page."""

from fastapi import APIRouter

from worker.web.api import accounts, log, policies, session, status, sweeps
from worker.web.api.said import PROBLEMS

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)
for _part in (status, sweeps, policies, accounts, log, session):
    router.include_router(_part.router)
