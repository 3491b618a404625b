"""`retention serve`: metrics, health, JSON API and dashboard."""

from importlib.util import find_spec

import click

from models.errors import InvalidConfiguration
from worker.cli.options import as_json
from worker.cli.output import print_json
from worker.deployment import deployment
from worker.logs import configure_logs

__all__ = ["command", "require_web"]


def require_web() -> None:
    """Make sure that the web server's libraries are there.

    Raises:
        InvalidConfiguration: they are not.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InvalidConfiguration("the web server is not installed; pip install 'retention-worker[web]' brings it")


@click.command(epilog="Example: retention serve")
@as_json
def command(*, as_json: bool) -> None:
    """Serve metrics, health, JSON API and dashboard, on RETENTION_WEB_HOST and RETENTION_WEB_PORT.

    On another address than this machine's own, or behind a proxy, it needs tokens: `retention token new` makes them.
    With --json, where it is reached is printed as it starts.
    """
    require_web()
    from worker.web.server import serve

    here = deployment(any_schema=True)
    configure_logs(here.settings.log_level)
    serve(here, lambda url: print_json({"url": url}) if as_json else None)
