"""`retention forecast`: what falls due on each of the next days."""

from datetime import UTC, datetime

import click

from tasks.measure import forecast
from tasks.standing import lateness
from tasks.transaction import transaction
from worker.answers.forecast import forecast_document
from worker.cli.options import as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment


@click.command(epilog="Example: retention forecast --days 90 --json")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Local days ahead.")
@as_json
def command(*, days: int, as_json: bool) -> None:
    """Show what falls due on each of the next days, if nobody withdraws, returns or is held until then."""
    here = deployment()
    now = datetime.now(UTC)
    due, ahead = {}, {}
    with transaction(here.engine) as connection:
        for policy in here.policies:
            due[policy.name] = lateness(connection, here.policies, policy, now).due
            ahead[policy.name] = forecast(connection, here.policies, policy, now, days=days)
    if as_json:
        print_json(forecast_document(here, now, due, ahead))
        return
    by_day = zip(*ahead.values(), strict=True)
    rows = [("due now", *due.values())]
    rows += [(pair[0].day.isoformat(), *(each.accounts for each in pair)) for pair in by_day]
    show(table(f"Falls due, days in {here.zone}", ("day", *ahead), rows))
