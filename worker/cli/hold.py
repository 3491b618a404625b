"""`retention hold …`: keep the worker away from an account."""

import click

from tasks import holds
from worker.answers.lists import Hold, read_holds
from worker.answers.rows import document
from worker.cli.options import ACCOUNT, NUMBER, actor_and_reason, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment

COLUMNS = tuple(Hold.__annotations__)


@click.group()
def command() -> None:
    """Place, release and list holds: while one is unreleased, the worker does not act on its account."""


@command.command(epilog='Example: retention hold place 4711 --actor legal --reason "complaint 2026-118"')
@ACCOUNT
@actor_and_reason
@as_json
def place(*, account_id: int, actor: str, reason: str, as_json: bool) -> None:
    """Place a hold on account ID.

    Once this has returned, the worker can neither move nor delete the account. A batch that has it just now is
    waited for; where that deleted it, this is refused and says so.
    """
    here = deployment()
    hold_id = holds.place(here.engine, account_id, actor=actor, reason=reason)
    if as_json:
        print_json({"id": hold_id, "account_id": account_id})
    else:
        show(f"Hold {hold_id} keeps the worker away from account {account_id}.")


@command.command(epilog='Example: retention hold release 12 --actor legal --reason "complaint settled"')
@click.argument("hold_id", metavar="HOLD", type=NUMBER)
@actor_and_reason
@as_json
def release(*, hold_id: int, actor: str, reason: str, as_json: bool) -> None:
    """Release HOLD, for good; it remains as history until its account is deleted."""
    here = deployment()
    released = holds.release(here.engine, hold_id, actor=actor, reason=reason)
    if as_json:
        print_json(document(released, here.zone, COLUMNS))
    else:
        show(
            f"Hold {hold_id} is released; account {released.account_id} is the worker's again, unless another holds it."
        )


@command.command("list", epilog="Example: retention hold list --account 4711 --released")
@click.option("--account", type=NUMBER, help="Only this account's.")
@click.option("--released", is_flag=True, help="Released ones, too.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Holds at most.")
@as_json
def list_holds(*, account: int | None, released: bool, limit: int, as_json: bool) -> None:
    """List holds, newest first."""
    here = deployment()
    documents = read_holds(here, account_id=account, released=released, limit=limit)
    if as_json:
        print_json({"holds": documents})
    elif documents:
        show(table(None, COLUMNS, (each.values() for each in documents)))
    else:
        show("No hold." if released else "No unreleased hold.")
