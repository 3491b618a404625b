"""`retention log replay`: after a restore from an older backup, what the exported log says must not exist."""

from typing import Any

import click

from models.errors import InvalidConfiguration, Refused, Unverified
from tasks.check_export import check_export
from tasks.exported import exported_receipts
from tasks.replay import Comparison, compare
from tasks.replay import replay as replay_log
from worker.cli.options import as_json, not_blank
from worker.cli.output import print_json, show, table
from worker.deployment import deployment

__all__ = ["replay"]

ACCOUNTS = {
    "to_delete": "deleted once, and back",
    "to_move": "moved to counter-only once, and back",
    "held": "of both, held by somebody",
    "differing": "of a deleted one's number, with another invalidation",
}


@click.command(epilog='Example: retention log replay s3://bucket/log --yes --actor sato --reason "backup of 1 May"')
@click.argument("url", required=False)
@click.option("--yes", is_flag=True, help="Act: delete and move again, take the missing actions up.")
@click.option("--actor", callback=not_blank, help="Who asks; recorded. Needed with --yes.")
@click.option("--reason", callback=not_blank, help="Why; recorded. Needed with --yes.")
@as_json
def replay(*, url: str | None, yes: bool, actor: str | None, reason: str | None, as_json: bool) -> None:
    """Compare the exported log at URL, by default RETENTION_EXPORT_URL, with a database restored from a backup.

    Changes nothing without --yes; exit 6 where the database lacks exported actions. With --yes it deletes and moves
    again what came back unchanged, and takes the missing actions up into the chain, linked to the exported ones.
    Deleting has no undo. Held accounts and those that are another now stay, with exit 3: a person has to look.
    """
    here = deployment()
    place = url or here.settings.export_url
    if place is None:
        raise InvalidConfiguration("RETENTION_EXPORT_URL is not set; set it, or give a URL")
    if not yes:
        found = compare(here.engine, exported_receipts(place))
        _show(found, as_json=as_json)
        if not found.is_the_same:
            raise Unverified("the database lacks exported actions; act on them with --yes, --actor and --reason")
        return
    if actor is None or reason is None:
        raise click.UsageError("--yes needs --actor and --reason: a replay records who and why")
    check_export(place)  # as a whole, before anything is done by a part of it
    done = replay_log(here.engine, here.policies, exported_receipts(place), actor=actor, reason=reason)
    _show(done, as_json=as_json)
    if done.held.many or done.differing.many:
        raise Refused("some accounts stay, held or differing; look at each with `retention explain`")


def _show(found: Comparison, *, as_json: bool) -> None:
    accounts: dict[str, Any] = {name: getattr(found, name) for name in ACCOUNTS}
    if as_json:
        told = {name: {"accounts": each.many, "sample": each.sample} for name, each in accounts.items()}
        print_json({"receipts": found.receipts, "actions": found.actions, **told})
        return
    show(f"{found.receipts:,} exported receipts with {found.actions:,} actions were missing in the database.")
    rows = ((meaning, accounts[name].many, _sample(accounts[name].sample)) for name, meaning in ACCOUNTS.items())
    show(table(None, ("accounts", "many", "numbers"), rows))


def _sample(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "-"
