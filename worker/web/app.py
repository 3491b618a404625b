"""The web application, put together for one deployment."""

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter

from worker.web import api, health, metrics, page
from worker.web.border import LARGEST_BODY_BYTES, Border
from worker.web.describe import describe
from worker.web.office import Office
from worker.web.problems import ProblemDocument, answer_problems

__all__ = ["create_web"]

ABOUT = """
What `retention status`, `plan`, `sweeps`, `explain` and `log` tell, and what `run`, `approve`, `reject`, `pause`,
`resume`, `hold` and `quarantine` do, with the same documents as their `--json`.

Each route names the least role it needs: **viewer** reads; **operator** also triggers, rejects, pauses, resumes, places
holds and retries; **approver** also releases what a gate or a hold keeps. Send a token in `Authorization: Bearer …`, or
begin a session with `POST /api/v1/session`. Every act is recorded under the token's name.

Instants are RFC 3339 in the service's time zone. What is not answered with success is a problem document (RFC 9457).
"""
TAGS = {
    "status": "Where everything stands, what was done, what is to come.",
    "sweeps": "What ran, what is held, and what people decide about it.",
    "policies": "What a sweep would do, and stopping it.",
    "accounts": "Why one was touched or not; holds; those set aside.",
    "log": "The lines of the log, and the end of its chain.",
    "session": "Browsers: logging in with a token, and out.",
    "health": "For whoever keeps the process running; nobody has to log in.",
    "metrics": "For Prometheus; nobody has to log in.",
}


def create_web(office: Office) -> Border:
    """Return the application that answers with these means."""
    web = FastAPI(
        title="Retention worker",
        version=version("retention-worker"),
        docs_url=None,
        redoc_url=None,
        description=ABOUT,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        max_body_size=LARGEST_BODY_BYTES,
    )
    web.state.office = office
    answer_problems(web)
    web.include_router(health.router)
    web.include_router(metrics.router)
    web.include_router(api.router)
    web.include_router(page.router)
    describe(web)
    web.mount("/static", StaticFiles(directory=Path(page.__file__).with_name("static")), name="static")
    _describe_problems(web)
    return Border(web, office.site)


def _describe_problems(web: FastAPI) -> None:
    """Put the shape of problem documents into the description: no route returns one, every route may answer one."""
    template = "#/components/schemas/{model}"
    shape = TypeAdapter(ProblemDocument).json_schema(ref_template=template)
    parts = shape.pop("$defs", {}) | {ProblemDocument.__name__: shape}
    web.openapi()["components"]["schemas"].update(parts)  # kept by the application once it is made
