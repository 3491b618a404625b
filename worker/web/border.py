"""What every request passes first and every answer last: the name it was sent to, headers, a bug that nobody caught."""

from time import monotonic

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks import events
from worker.web.problems import bug, problem, route_of
from worker.web.site import Site

__all__ = ["LARGEST_BODY_BYTES", "Border"]

LARGEST_BODY_BYTES = 65_536

# No script or style but from files of ours, nothing from elsewhere, in nobody's frame.
CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HTTPS_ONLY = "max-age=31536000"
# Files that are the same for everybody; a browser asks whether they have changed.
PUBLIC = ("/static/", "/docs/swagger/")
# Asked by address or by whatever name a cluster gives; they tell no account and do nothing.
BY_ANY_NAME = ("/livez", "/readyz", "/metrics")

log = structlog.get_logger()


class Border:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = monotonic()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if (refusal := self._refusal(scope["path"], Headers(scope=scope))) is not None:
            await refusal(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - the last resort: a bug ends with its place, not with what it quotes
            answer = bug(Request(scope), error)
            if not status:
                await answer(scope, receive, send_with_headers)
        if scope["path"] not in BY_ANY_NAME:
            seconds = round(monotonic() - began, 3)
            log.info(
                events.REQUEST_ANSWERED, method=scope["method"], route=route_of(scope), status=status, seconds=seconds
            )

    def _refusal(self, path: str, headers: Headers) -> Response | None:
        if path not in BY_ANY_NAME and not self._site.is_own_host(headers.get("host")):
            return problem(400, "this server is not reached by that name; RETENTION_WEB_URL says by which it is")
        # The application's own limit, which also counts what comes without a length, would say this in no document.
        if int(headers.get("content-length", 0)) > LARGEST_BODY_BYTES:
            return problem(413, f"a body may hold {LARGEST_BODY_BYTES:,} bytes")
        return None

    def _complete(self, headers: MutableHeaders, path: str) -> None:
        headers.update(HEADERS)
        headers.setdefault("Cache-Control", "no-cache" if path.startswith(PUBLIC) else "no-store")
        if self._site.is_https:
            headers["Strict-Transport-Security"] = HTTPS_ONLY
