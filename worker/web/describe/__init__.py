"""`/docs`: the API described, to read and to try; Swagger UI as a wheel carries it, so that no internet is needed."""

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

__all__ = ["describe"]

HERE = Path(__file__).parent
SWAGGER = Path(fastapi_offline.__file__).with_name("static")

router = APIRouter(include_in_schema=False)


def describe(web: FastAPI) -> None:
    """Serve the page that describes an application."""
    web.include_router(router)
    web.mount("/docs/swagger", StaticFiles(directory=SWAGGER), name="swagger")


@router.get("/docs")
def page() -> FileResponse:
    """Return the page; its script is a file of its own, for the content policy lets no other run."""
    return FileResponse(HERE / "index.html")


@router.get("/docs/begin.js")
def begin() -> FileResponse:
    """Return the script that begins the page."""
    return FileResponse(HERE / "begin.js")
