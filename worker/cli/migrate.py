"""`retention migrate`: bring the schema to head."""

import click

from worker.cli.options import as_json
from worker.cli.output import print_json, show
from worker.database import migrate
from worker.deployment import deployment


@click.command(epilog="Example: retention migrate")
@as_json
def command(*, as_json: bool) -> None:
    """Bring the database's schema to what this program needs. Harmless when it is there already."""
    before, after = migrate(deployment(any_schema=True).engine)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        show(f"The schema is at {after} already.")
    else:
        show(f"The schema went from {before or 'nothing'} to {after}.")
