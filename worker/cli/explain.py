"""`retention explain`: why was this account, or was it not, touched."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from tasks.explain import GONE, Explanation, explain
from worker.cli.options import ACCOUNT, INSTANT, as_json
from worker.cli.output import print_json, rfc3339, show, table
from worker.deployment import deployment

__all__ = ["command", "explanation"]


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


def explanation(found: Explanation, zone: ZoneInfo) -> dict[str, Any]:
    """Return an explanation as JSON shows it."""
    return {
        "account_id": found.account_id,
        "at": rfc3339(found.at, zone),
        "state": found.state,
        "effective_state": found.effective_state,
        "registration": found.registration,
        "withdrawn_at": rfc3339(found.withdrawn_at, zone),
        "invalidated_at": rfc3339(found.invalidated_at, zone),
        "counter_only_from": rfc3339(found.counter_only_from, zone),
        "purge_from": rfc3339(found.purge_from, zone),
        "because": {name.value: words for name, words in found.because.items()},
        "holds": [_picked(hold, zone, "id placed_at placed_by reason") for hold in found.holds],
        "anomalies": [kind.value for kind in found.anomalies],
        "prevented": {name.value: reasons for name, reasons in found.prevented.items()},
        "history": [_picked(each, zone, "at kind from_state to_state actor office") for each in found.history],
        "actions": [
            _picked(action, zone, "id action event_at due_at acted_at sweep_id receipt_id") for action in found.actions
        ],
    }


def _picked(row: Any, zone: ZoneInfo, names: str) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names.split()}
    return {name: rfc3339(each, zone) if isinstance(each, datetime) else each for name, each in values.items()}


def _show(document: dict[str, Any]) -> None:
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
