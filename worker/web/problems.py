"""Errors as problem documents (RFC 9457): each branch of the error tree has its status."""

from typing import Any, NotRequired

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Scope
from typing_extensions import TypedDict

from models.errors import InvalidConfiguration, NotThereError, Refused, RetentionError, Unavailable
from tasks import events

__all__ = ["Problem", "ProblemDocument", "answer_problems", "bug", "problem", "route_of"]

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not there",
    405: "Method not allowed",
    409: "Refused",
    413: "Too large",
    422: "Wrong input",
    429: "Too many attempts",
    500: "A bug",
    503: "Not available",
}
# The first branch that fits; what is none of these is a bug.
STATUSES: tuple[tuple[type[RetentionError], int], ...] = (
    (NotThereError, 404),
    (Refused, 409),
    (Unavailable, 503),
    (InvalidConfiguration, 503),
)
RETRY_SECONDS = "5"
# What a stranger is told: the error's own text may name a host, a port or a path.
FOR_STRANGERS: dict[type[RetentionError], str] = {
    Unavailable: "the database or the broker does not answer; the log says which",
    InvalidConfiguration: "the configuration is not in order; the log says what",
}

log = structlog.get_logger()


class Fault(TypedDict):
    """What is wrong with one part of the input."""

    loc: list[str | int]
    msg: str


class ProblemDocument(TypedDict):
    """What went wrong and what to do, as RFC 9457 has it; `errors` for wrong input only."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[Fault]]


class Problem(HTTPException):
    """A status with a sentence that says what is wrong and what to do."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return a problem document."""
    headers = dict(headers or {})
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = RETRY_SECONDS
    document = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    return JSONResponse(document | more, status, headers, MEDIA_TYPE)


def answer_problems(app: FastAPI) -> None:
    """Let every error of an application be answered by a problem document."""
    app.add_exception_handler(RetentionError, _retention_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _wrong_input)
    app.add_exception_handler(PoolTimeoutError, _busy)


def _retention_error(request: Request, error: Exception) -> JSONResponse:
    status = next((status for branch, status in STATUSES if isinstance(error, branch)), None)
    if status is None:
        return bug(request, error)
    hidden = next((said for branch, said in FOR_STRANGERS.items() if isinstance(error, branch)), None)
    if hidden is None or getattr(request.state, "is_known", False):
        return problem(status, str(error))
    log.warning(events.REQUEST_REFUSED, route=route_of(request.scope), reason=str(error))
    return problem(status, hidden)


def route_of(scope: Scope) -> str | None:
    """Return the template of the route that a request found; its own path may hold whatever somebody typed."""
    if "route" not in scope:
        return None
    # The route itself knows its path only from where its router was put.
    known = iter_route_contexts(scope["app"].routes)
    return next((each.path for each in known if each.original_route is scope["route"]), None)


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return problem(error.status_code, error.detail, headers)


def _methods(request: Request) -> list[str]:
    """Return every method that a path is there for: the router itself names those of the first route alone."""
    routes = iter_route_contexts(request.app.routes)
    there = (each for each in routes if each.path and compile_path(each.path)[0].match(request.url.path))
    return sorted({method for each in there for method in each.methods or ()})


def _wrong_input(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    # Without the input itself: a token may be what is wrong.
    faults = [{"loc": list(each["loc"]), "msg": each["msg"]} for each in error.errors()]
    said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults)
    return problem(422, said, errors=faults)


def _busy(_: Request, __: Exception) -> JSONResponse:
    return problem(503, "every connection to the database is in use; try again")


def bug(request: Request, error: Exception) -> JSONResponse:
    """Say where a bug is, without its text, which may quote data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else None
    log.error(events.REQUEST_FAILED, route=route_of(request.scope), error=type(error).__name__, place=place)
    return problem(500, "this is a bug of the worker; its log says where")
