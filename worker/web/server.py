"""The server: which addresses it may listen on, and its life."""

from collections.abc import Callable
from secrets import token_bytes
from socket import AI_PASSIVE, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, create_server, getaddrinfo, socket

import structlog
import uvicorn

from models.errors import InvalidConfiguration
from tasks import events
from worker.app import create_client
from worker.broker import redis_client
from worker.deployment import Deployment
from worker.secret_files import read_private
from worker.web.app import create_web
from worker.web.at_work import AtWork
from worker.web.ended import Ended
from worker.web.office import Office
from worker.web.readiness import Readiness
from worker.web.sessions import Sessions
from worker.web.site import Site
from worker.web.tokens import Tokens
from worker.web.wrong_logins import WrongLogins

__all__ = ["listen", "serve", "site_of", "tokens_of"]

SHORTEST_SECRET_BYTES = 32
STOP_SECONDS = 5

log = structlog.get_logger()


def serve(here: Deployment, started: Callable[[str], None]) -> None:
    """Answer requests until a signal ends it; `started` is told the URL once the address is taken.

    Raises:
        InvalidConfiguration: it would be open to others without tokens, or a token or the secret is unusable, or
            the address is not to be had.
    """
    site = site_of(here)
    web = create_web(_office(here, site))
    listening = listen(site)
    server = uvicorn.Server(
        uvicorn.Config(
            web,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    host, port = listening.getsockname()[:2]
    url = site.url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    log.info(events.WEB_STARTED, url=url, port=port)
    if site.is_in_clear:
        log.warning(events.WEB_IN_CLEAR, url=url, way_out="a proxy that ends TLS, and its URL in RETENTION_WEB_URL")
    started(url)
    with listening:
        try:
            server.run(sockets=[listening])
        except (SystemExit, KeyboardInterrupt):
            if not server.should_exit:  # a signal is passed on to us once it was obeyed
                raise


def site_of(here: Deployment) -> Site:
    """Return where the server of a deployment is, as its settings say."""
    chosen = here.settings
    return Site(chosen.web_host, chosen.web_port, chosen.web_url)


def listen(site: Site) -> socket:
    """Take the address.

    Raises:
        InvalidConfiguration: it is not to be had.
    """
    try:
        family, *_, address = getaddrinfo(site.host, site.port, type=SOCK_STREAM, flags=AI_PASSIVE)[0]
        listening = create_server((str(address[0]), site.port), family=family)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is no name of a host"
        raise InvalidConfiguration(
            f"cannot listen on {site.host}, port {site.port}: {why}; set RETENTION_WEB_HOST or "
            "RETENTION_WEB_PORT to others, 0 for any free port"
        ) from None
    # Connections inherit it. asyncio sets it only where a socket's protocol number is given, which is 0 here, and an
    # answer's body would wait for the acknowledgement of its headers: 40 ms of each request.
    listening.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return listening


def tokens_of(here: Deployment, site: Site) -> Tokens:
    """Return who may ask.

    Raises:
        InvalidConfiguration: a token is unusable, or there is none and others are meant to reach the server.
    """
    tokens = Tokens(here.settings.web_tokens, here.settings.web_tokens_file)
    if not tokens.entries() and not site.is_local:
        variable, value, way_out = (
            ("URL", site.url, "unset it") if site.is_loopback else ("HOST", site.host, "listen on 127.0.0.1")
        )
        raise InvalidConfiguration(
            f"RETENTION_WEB_{variable} is {value!r}, which others can reach, and there is no token; make one with "
            f"`retention token new NAME --role viewer --file FILE` and set RETENTION_WEB_TOKENS_FILE, or {way_out}"
        )
    return tokens


def _office(here: Deployment, site: Site) -> Office:
    tokens = tokens_of(here, site)
    app = create_client(here.settings, here.addresses)
    sessions = Sessions(_secret(here), Ended(redis_client(here.addresses.broker_url)), secure=site.is_https)
    return Office(here, app, site, tokens, sessions, AtWork(app), Readiness(here, app), WrongLogins())


def _secret(here: Deployment) -> bytes:
    """Return what sessions are signed with; without a file of its own, they end with this process."""
    file = here.settings.web_secret_file
    if file is None:
        return token_bytes(SHORTEST_SECRET_BYTES)
    secret = read_private(file, "RETENTION_WEB_SECRET_FILE").strip()
    if len(secret) < SHORTEST_SECRET_BYTES:
        raise InvalidConfiguration(
            f"RETENTION_WEB_SECRET_FILE: {file} holds {len(secret)} bytes; {SHORTEST_SECRET_BYTES} random ones are "
            "needed, as `openssl rand -hex 32` makes them"
        )
    return secret
