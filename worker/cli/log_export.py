"""`retention log export`: write the log to where the database's administrators have no say."""

import click

from models.errors import InvalidConfiguration
from tasks.export import export_log
from worker.cli.options import as_json
from worker.cli.output import print_json, show
from worker.deployment import deployment

__all__ = ["export"]


@click.command(epilog="Example: retention log export s3://bucket/log")
@click.argument("url", required=False)
@as_json
def export(*, url: str | None, as_json: bool) -> None:
    """Write what the directory at URL has not yet, as JSON Lines with heads; by default at RETENTION_EXPORT_URL.

    Nothing written is ever changed. It refuses, with exit 6, to go on from a head that the log does not contain.
    """
    here = deployment()
    place = url or here.settings.export_url
    if place is None:
        raise InvalidConfiguration("RETENTION_EXPORT_URL is not set; set it, or give a URL")
    done = export_log(here.engine, place)
    head = None if done.head is None else str(done.head)
    if as_json:
        print_json({"exported": done.receipts, "actions": done.actions, "segments": done.segments, "head": head})
    elif done.segments:
        show(f"Exported {done.receipts:,} receipts with {done.actions:,} actions; the head is {head}.", *done.segments)
    else:
        show("There is nothing to export yet." if head is None else f"All is exported already; the head is {head}.")
