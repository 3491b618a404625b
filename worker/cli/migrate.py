"""`retention migrate`: bring the schema to head, and on request accounts into partitions."""

import click

from worker.cli.options import as_json
from worker.cli.output import print_json, show
from worker.database import migrate, partition
from worker.deployment import deployment

# Two are the least that are any, and more than these cost every statement more than they give.
LEAST, MOST = 2, 256


@click.command(epilog="Example: retention migrate --partitions 16")
@click.option(
    "--partitions",
    "number",
    type=click.IntRange(LEAST, MOST),
    help="Turn accounts, and all that is theirs, into so many partitions by the hash of the account. For good; nobody "
    "reads or writes them meanwhile, and all rows are copied. Everything is done, or nothing.",
)
@as_json
def command(*, number: int | None, as_json: bool) -> None:
    """Bring the database's schema to what this program needs. Harmless when it is there already."""
    engine = deployment(any_schema=True).engine
    before, after = migrate(engine)
    changed = number is not None and partition(engine, number)
    if as_json:
        print_json(
            {"before": before, "after": after} | ({"partitions": number, "partitioned": changed} if number else {})
        )
        return
    if before == after:
        show(f"The schema is at {after} already.")
    else:
        show(f"The schema went from {before or 'nothing'} to {after}.")
    if changed:
        show(f"Accounts, and all that is theirs, are in {number} partitions now.")
    elif number:
        show(f"Accounts are in {number} partitions already.")
