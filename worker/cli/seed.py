"""`retention seed`: fill an empty database with a made-up population."""

from datetime import UTC, datetime
from time import monotonic

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from worker.cli.options import as_json
from worker.cli.output import error_console, print_json, show, table
from worker.deployment import Deployment, deployment
from worker.seed import Population, seed


@click.command(epilog="Example: retention seed --accounts 20000 --seed 7")
@click.option("--accounts", type=click.IntRange(1, 1_000_000_000), required=True, help="How many accounts.")
@click.option("--seed", "number", type=int, default=0, show_default=True, help="Another number, another population.")
@click.option("--append", is_flag=True, help="Add to a database that holds accounts already.")
@as_json
def command(*, accounts: int, number: int, append: bool, as_json: bool) -> None:
    """Write a realistic, made-up population, all or nothing: about 40 rows for each account."""
    rows, seconds = populate(deployment(), accounts=accounts, number=number, append=append)
    total = sum(rows.values())
    if as_json:
        print_json({"accounts": accounts, "rows": total, "tables": rows, "seconds": round(seconds, 3)})
        return
    show(table(None, ("table", "rows"), rows.items()))
    show("", f"{accounts:,} accounts, {total:,} rows in {seconds:,.1f} s: {accounts / seconds:,.0f} accounts/s")


def populate(here: Deployment, *, accounts: int, number: int, append: bool) -> tuple[dict[str, int], float]:
    """Seed with a progress bar; returns rows by table and the seconds it took."""
    columns = (TextColumn("seeding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = monotonic()
    with Progress(*columns, console=error_console(), disable=not error_console().is_terminal) as progress:
        bar = progress.add_task("seeding", total=accounts)
        rows = seed(
            here.engine,
            Population(accounts, number, datetime.now(UTC), here.zone),
            append=append,
            progress=lambda done: progress.advance(bar, done),
        )
    return rows, max(monotonic() - began, 0.001)
