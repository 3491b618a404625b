"""The server: which addresses it may listen on, and its life."""

from secrets import token_bytes

import uvicorn

from models.errors import InvalidConfiguration
from worker.app import create_app
from worker.deployment import Deployment
from worker.web.app import create_web
from worker.web.at_work import AtWork
from worker.web.office import Office
from worker.web.sessions import Sessions
from worker.web.site import Site
from worker.web.tokens import Tokens

__all__ = ["serve"]

SHORTEST_SECRET_BYTES = 32
STOP_SECONDS = 5


def serve(here: Deployment) -> None:
    """Answer requests until a signal ends it.

    Raises:
        InvalidConfiguration: it would be open to others without tokens, or a token or the secret is unusable.
        Unavailable: the address is not to be had.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            create_web(_office(here)),
            host=here.settings.web_host,
            port=here.settings.web_port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    server.run()


def _office(here: Deployment) -> Office:
    chosen = here.settings
    site = Site(chosen.web_host, chosen.web_port, chosen.web_url)
    tokens = Tokens(chosen.web_tokens, chosen.web_tokens_file)
    if not tokens.entries() and not site.is_loopback:
        raise InvalidConfiguration(
            f"RETENTION_WEB_HOST is {site.host!r}, which others can reach, and there is no token; make one "
            "with `retention token new NAME --role viewer --file FILE` and set RETENTION_WEB_TOKENS_FILE, or listen on "
            "127.0.0.1"
        )
    app = create_app(chosen, here.addresses)
    return Office(here, app, site, tokens, Sessions(_secret(here), secure=site.is_https), AtWork(app))


def _secret(here: Deployment) -> bytes:
    """Return what sessions are signed with; without a file of its own, they end with this process."""
    file = here.settings.web_secret_file
    if file is None:
        return token_bytes(SHORTEST_SECRET_BYTES)
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise InvalidConfiguration(f"RETENTION_WEB_SECRET_FILE: {file} cannot be read: {error.strerror}") from None
    if len(secret) < SHORTEST_SECRET_BYTES:
        raise InvalidConfiguration(
            f"RETENTION_WEB_SECRET_FILE: {file} holds {len(secret)} bytes; {SHORTEST_SECRET_BYTES} random ones are "
            "needed, as `openssl rand -hex 32` makes them"
        )
    return secret
