"""`retention explain`: why was this account, or was it not, touched."""

from datetime import datetime

import click

from tasks.explain import GONE, explain
from worker.answers.explanation import Explanation, explanation
from worker.cli.options import ACCOUNT, INSTANT, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment

__all__ = ["command"]


@click.command(epilog="Example: retention explain 4711")
@ACCOUNT
@click.option("--at", type=INSTANT, help="As of this instant instead of now; RFC 3339 with an offset.")
@as_json
def command(*, account_id: int, at: datetime | None, as_json: bool) -> None:
    """Tell the whole story of account ID: how it stands, what happens when and why, and what prevents it.

    For a purged account the log answers. With another instant the account is taken as its row is now.
    """
    here = deployment()
    document = explanation(explain(here.engine, here.policies, account_id, at), here.zone)
    if as_json:
        print_json(document)
    else:
        _show(document)


def _show(document: Explanation) -> None:
    facts = {
        "state": document["state"],
        "behaves as": document["effective_state"],
        "registration": document["registration"],
        "withdrawn at": document["withdrawn_at"],
        "counter-only from": document["counter_only_from"],
        "invalid since": document["invalidated_at"],
        "deleted from": document["purge_from"],
    }
    show(table(f"Account {document['account_id']}", ("", ""), facts.items()), "")
    for name, reasons in document["prevented"].items():
        if document["state"] == GONE:
            show(f"{name}: {document['because'].get(name, 'never done')}")
            continue
        show(f"{name}: {'not now: ' + '; '.join(reasons) if reasons else 'due; the next sweep acts'}")
        if name in document["because"]:
            show(f"  {document['because'][name]}")
    for title, rows in (
        ("Unreleased holds", document["holds"]),
        ("History", document["history"]),
        ("In the log", document["actions"]),
    ):
        if rows:
            show("", table(title, rows[0], (each.values() for each in rows)))
