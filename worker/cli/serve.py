"""`retention serve`: metrics, health, JSON API and dashboard."""

import click

from worker.deployment import deployment
from worker.logs import configure_logs


@click.command(epilog="Example: retention serve")
def command() -> None:
    """Serve metrics, health, JSON API and dashboard, on RETENTION_WEB_HOST and RETENTION_WEB_PORT.

    On another address than this machine's own it needs tokens; make them with `retention token new`.
    """
    from worker.web.server import serve

    here = deployment(any_schema=True)
    configure_logs(here.settings.log_level)
    serve(here)
