"""`retention plan`: what a sweep would do."""

from datetime import UTC, datetime

import click

from models import PolicyName
from tasks.plan import plan
from worker.answers.plan import plan_document
from worker.cli.options import INSTANT, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment


@click.command(epilog="Example: retention plan purge --at 2027-01-01T00:30:00+09:00")
@click.argument("policy", metavar="POLICY", type=click.Choice([name.value for name in PolicyName]))
@click.option("--at", type=INSTANT, help="As of this instant instead of now; RFC 3339 with an offset.")
@as_json
def command(*, policy: str, at: datetime | None, as_json: bool) -> None:
    """Show what a sweep of POLICY would do, and change nothing.

    With a later instant the accounts are taken as they are now: nobody withdraws, returns or is purged until then.
    """
    here = deployment()
    found = plan(here.engine, here.policies, PolicyName(policy), at or datetime.now(UTC))
    document = plan_document(here, found)
    if as_json:
        print_json(document)
        return
    shown = document | {"sample": ", ".join(map(str, found.sample)) or None}
    show(table(None, ("what a sweep would do", ""), shown.items()))
    show("", "due: would be touched · held: due but for a hold · anomalies: dates make no sense, never touched")
