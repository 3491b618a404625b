"""`retention log …`: read the log, and prove it."""

import click

from worker.answers.lists import read_actions
from worker.cli.log_certificate import certificate, check
from worker.cli.log_export import export
from worker.cli.log_replay import replay
from worker.cli.log_verify import verify
from worker.cli.options import NUMBER, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment


@click.group()
def command() -> None:
    """Read the log: one line for each account moved or purged. Verify, certify and export it."""


for _each in (verify, certificate, check, export, replay):
    command.add_command(_each)


@command.command("list", epilog="Example: retention log list --account 4711")
@click.option("--account", type=NUMBER, help="Only this account's.")
@click.option("--sweep", type=NUMBER, help="Only this sweep's.")
@click.option("--before", type=NUMBER, help="Only lines with a smaller id; pages on.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Lines at most.")
@as_json
def list_actions(*, account: int | None, sweep: int | None, before: int | None, limit: int, as_json: bool) -> None:
    """List actions, newest first: what was done to which account, why it was due, and in which sweep."""
    here = deployment()
    actions = read_actions(here, account_id=account, sweep_id=sweep, before=before, limit=limit)
    if as_json:
        print_json({"actions": actions})
    elif actions:
        show(table(None, actions[0], (action.values() for action in actions)))
    else:
        show("No such line in the log.")
