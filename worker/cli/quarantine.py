"""`retention quarantine …`: accounts that the database would not let the worker act on."""

import click

from tasks import quarantine
from worker.answers.lists import SetAside, read_quarantine
from worker.cli.options import NUMBER, actor_and_reason, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment

COLUMNS = tuple(SetAside.__annotations__)


@click.group()
def command() -> None:
    """Accounts that failed alone in their batch: after some attempts they are set aside, and the others go on."""


@command.command("list", epilog="Example: retention quarantine list --json")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Accounts at most.")
@as_json
def list_quarantine(*, limit: int, as_json: bool) -> None:
    """List failing accounts with the error's code and table, those set aside for longest first."""
    here = deployment()
    documents = read_quarantine(here, limit=limit)
    if as_json:
        print_json({"quarantine": documents})
    elif documents:
        show(table(None, COLUMNS, (each.values() for each in documents)))
    else:
        show("No account is in quarantine.")


@command.command(epilog='Example: retention quarantine retry 4711 --actor mori --reason "the table is mended"')
@click.argument("account_id", metavar="[ID]", type=NUMBER, required=False)
@click.option("--all", "every", is_flag=True, help="All of them.")
@actor_and_reason
@as_json
def retry(*, account_id: int | None, every: bool, actor: str, reason: str, as_json: bool) -> None:
    """Let account ID, or with --all every account in quarantine, be tried again by the next sweep."""
    if (account_id is None) != every:
        raise click.UsageError("give the number of an account, or --all", click.get_current_context())
    retried = quarantine.retry(deployment().engine, account_id, actor=actor, reason=reason)
    if as_json:
        print_json({"retried": [{"account_id": number, "policy": policy} for number, policy in retried]})
    else:
        show(f"{len(retried):,} to be tried again by the next sweep.")
