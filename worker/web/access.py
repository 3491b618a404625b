"""Who asks, and whether they may: the role that each route requires."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from worker.web.office import Here, Office
from worker.web.problems import Problem
from worker.web.sessions import COOKIE, Session
from worker.web.tokens import Entry, Role

__all__ = [
    "CSRF_HEADER",
    "Approver",
    "Cookie",
    "Operator",
    "Person",
    "Requires",
    "Viewer",
    "person_at_browser",
    "require_own_origin",
]

CSRF_HEADER = "X-CSRF-Token"
LOCAL = "local"
SAFE = ("GET", "HEAD", "OPTIONS")
# What a proxy adds: a request that came through one did not come from this machine alone.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="A token made by `retention token new`.")
SESSION = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description=f"Made by POST /api/v1/session; each act also needs its csrf_token in the header {CSRF_HEADER}.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
Cookie = Annotated[str | None, Security(SESSION)]


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: recorded as the actor of what they do."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Requires:
    """A route's dependency: whoever asks has at least this role."""

    role: Role

    def __call__(self, request: Request, office: Here, credentials: Credentials, cookie: Cookie) -> Person:
        """Return who asks.

        Raises:
            Problem: 401 where nobody known asks, 403 where their role is too low or their page may be another's.
        """
        person = _person(request, office, credentials, cookie)
        request.state.is_known = True  # and so may be told why something is away
        if person.role < self.role:
            raise Problem(403, f"this needs the role {self.role.label}; {person.name} is {person.role.label}")
        return person


def _person(
    request: Request, office: Office, credentials: HTTPAuthorizationCredentials | None, cookie: str | None
) -> Person:
    if "authorization" in request.headers:
        entry = office.tokens.by_token(credentials.credentials) if credentials else None
        if entry is None:
            raise Problem(401, "the token is not known, or has expired")
        return Person(entry.name, entry.role)
    session = office.sessions.read(cookie) if cookie else None
    person = person_at_browser(request, office, session)
    if person is None:
        raise Problem(401, "log in, or send a token: Authorization: Bearer …")
    if request.method not in SAFE:
        _require_unforged(request, office, session)
    return person


def person_at_browser(request: Request, office: Office, session: Session | None) -> Person | None:
    """Return who is logged in, or the local person where no token is needed; None where nobody is."""
    if _is_open(request, office):
        return Person(LOCAL, Role.OPERATOR)
    marked = session.mark if session else None
    entry: Entry | None = office.tokens.find(marked, office.sessions.mark) if marked else None
    return None if entry is None else Person(entry.name, entry.role)


def _is_open(request: Request, office: Office) -> bool:
    """Say whether whoever asks needs no token: none were ever set up, and the request comes from this machine."""
    forwarded = any(name in request.headers for name in FORWARDED)
    return office.site.is_local and not forwarded and not office.tokens.are_set_up


def _require_unforged(request: Request, office: Office, session: Session | None) -> None:
    """Make sure that a page of ours sends this: it repeats the cookie's secret, which no other site can read.

    Raises:
        Problem: 403, it does not.
    """
    require_own_origin(request, office)
    given = request.headers.get(CSRF_HEADER, "").encode()
    if session is None or not compare_digest(session.csrf.encode(), given):
        raise Problem(403, f"an act by a browser's session needs its csrf_token in the header {CSRF_HEADER}")


def require_own_origin(request: Request, office: Office) -> None:
    """Make sure that no page of another site sends this.

    Raises:
        Problem: 403, one does.
    """
    origin = request.headers.get("origin")
    if origin is not None and not office.site.is_own_origin(origin, request.headers.get("host")):
        raise Problem(403, "this comes from a page of another site")


Viewer = Annotated[Person, Depends(Requires(Role.VIEWER))]
Operator = Annotated[Person, Depends(Requires(Role.OPERATOR))]
Approver = Annotated[Person, Depends(Requires(Role.APPROVER))]
