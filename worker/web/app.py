"""The web application, put together for one deployment."""

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from worker.web import api, health, page
from worker.web.office import Office
from worker.web.problems import answer_problems

__all__ = ["create_web"]


def create_web(office: Office) -> FastAPI:
    """Return the application that answers with these means."""
    web = FastAPI(
        title="Retention worker",
        version=version("retention-worker"),
        docs_url=None,
        redoc_url=None,
    )
    web.state.office = office
    answer_problems(web)
    web.include_router(health.router)
    web.include_router(api.router)
    web.include_router(page.router)
    web.mount("/static", StaticFiles(directory=Path(page.__file__).with_name("static")), name="static")
    return web
