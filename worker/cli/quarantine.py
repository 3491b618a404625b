"""`retention quarantine …`: accounts that the database would not let the worker act on."""

from datetime import timedelta
from time import monotonic

import click

from models import PolicyName
from tasks import quarantine
from tasks.alone import Done, act_alone, conclude_alone
from worker.answers.lists import SetAside, read_quarantine
from worker.app import create_client
from worker.cli.options import ACCOUNT, NUMBER, actor_and_reason, as_json
from worker.cli.output import error_console, print_json, show, table
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


@command.command(epilog='Example: retention quarantine act 4711 --minutes 30 --actor mori --reason "too large"')
@ACCOUNT
@click.option(
    "--policy",
    type=click.Choice([name.value for name in PolicyName]),
    help="What to do, where it was set aside for both.",
)
@click.option(
    "--minutes", type=click.IntRange(1, 24 * 60), default=60, show_default=True, help="Longest run of one statement."
)
@actor_and_reason
@as_json
def act(*, account_id: int, policy: str | None, minutes: int, actor: str, reason: str, as_json: bool) -> None:
    """Act now, and by this command itself, on account ID, which was set aside because it is too large.

    What it was set aside for is done as by a sweep: one transaction, logged, verified. Nobody else waits for it but who
    needs this account. Broken off before its commit, by Ctrl-C too, nothing has happened; if it ended without a word,
    look with retention log list. Refused while a gate is shut.
    """
    here = deployment()
    runtime = create_client(here.settings, here.addresses).runtime
    error_console().print(f"retention: at work on account {account_id}, for {minutes} minutes at most; others go on")
    began = monotonic()
    done = act_alone(
        runtime,
        account_id,
        policy=PolicyName(policy) if policy else None,
        actor=actor,
        reason=reason,
        patience=timedelta(minutes=minutes),
    )
    _tell(account_id, done, round(monotonic() - began, 3), as_json=as_json)
    error_console().print(f"retention: done; reconciling sweep {done.sweep_id}, as a worker will if this ends here")
    if left := conclude_alone(runtime, done.sweep_id):
        told = f"what was done stays; sweep {done.sweep_id} is left to a worker, which reconciles it: {left}"
        error_console().print(f"retention: {told}")


def _tell(account_id: int, done: Done, seconds: float, *, as_json: bool) -> None:
    if as_json:
        told = {"account_id": account_id, "policy": done.policy.value, "sweep_id": done.sweep_id}
        print_json(told | {"receipt_id": done.receipt_id, "head": str(done.head), "seconds": seconds})
    else:
        show(
            f"{done.policy.value} done for account {account_id} in {seconds:,} s, as sweep {done.sweep_id}, "
            f"receipt {done.receipt_id}",
            f"The log's head is {done.head}",
        )
