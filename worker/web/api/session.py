"""Browsers: logging in with a token, and out."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from worker.answers.instants import rfc3339
from worker.web.access import Cookie, Person, Viewer, person_at_browser, require_own_origin
from worker.web.api.said import said
from worker.web.office import Here, Office
from worker.web.problems import Problem
from worker.web.sessions import Session

__all__ = ["router"]

router = APIRouter(prefix="/session", tags=["session"])


class Login(BaseModel):
    """A token, as `retention token new` printed it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: Annotated[str, Field(min_length=1, max_length=1000)]


class LoggedIn(TypedDict):
    """Who is logged in; each act by the session repeats `csrf_token` in the header X-CSRF-Token."""

    actor: str
    role: str
    csrf_token: str
    expires_at: str


@router.get("")
def session(request: Request, response: Response, office: Here, cookie: Cookie) -> LoggedIn:
    """Say who is logged in; where no token is needed, begin a session for whoever asks."""
    found = office.sessions.read(cookie) if cookie else None
    person = person_at_browser(request, office, found)
    if person is None:
        raise Problem(401, "log in with a token")
    return _logged_in(office, person, found or office.sessions.begin(response, None))


@router.post("", responses=said(403, 429))
def log_in(request: Request, response: Response, office: Here, told: Login) -> LoggedIn:
    """Begin a session: a cookie that no script can read, for some hours, by browsers of this site only."""
    require_own_origin(request, office)
    address = request.client.host if request.client else ""
    office.wrong_logins.require_few(address)
    entry = office.tokens.by_token(told.token)
    if entry is None:
        office.wrong_logins.count(address)
        raise Problem(401, "the token is not known, or has expired")
    return _logged_in(office, Person(entry.name, entry.role), office.sessions.begin(response, entry.sha256))


@router.delete("", status_code=204)
def log_out(response: Response, office: Here, _: Viewer, cookie: Cookie) -> None:
    """End the session: its cookie is worth nothing from now on, whoever has it."""
    office.sessions.end(response, office.sessions.read(cookie) if cookie else None)


def _logged_in(office: Office, person: Person, session: Session) -> LoggedIn:
    return {
        "actor": person.name,
        "role": person.role.label,
        "csrf_token": session.csrf,
        "expires_at": str(rfc3339(session.ends_at, office.deployment.zone)),
    }
