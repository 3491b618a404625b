"""`retention explain`: why was this account, or was it not, touched."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from tasks.explain import Explanation, explain
from worker.cli.output import as_json, print_json, rfc3339, show, table
from worker.deployment import deployment


@click.command(epilog="Example: retention explain 4711")
@click.argument("account_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@as_json
def command(*, account_id: int, as_json: bool) -> None:
    """Say why account ID was, or was not, touched; for a purged account the log answers."""
    here = deployment()
    document = _document(explain(here.engine, here.policies, account_id, datetime.now(UTC)), here.zone)
    if as_json:
        print_json(document)
    else:
        _show(document)


def _document(found: Explanation, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "account_id": found.account_id,
        "state": found.state,
        "effective_state": found.effective_state,
        "withdrawn_at": rfc3339(found.withdrawn_at, zone),
        "invalidated_at": rfc3339(found.invalidated_at, zone),
        "counter_only_from": rfc3339(found.counter_only_from, zone),
        "purge_from": rfc3339(found.purge_from, zone),
        "holds": [
            {"id": hold.id, "placed_at": rfc3339(hold.placed_at, zone), "placed_by": hold.placed_by}
            for hold in found.holds
        ],
        "anomalies": [kind.value for kind in found.anomalies],
        "prevented": {name.value: reasons for name, reasons in found.prevented.items()},
        "actions": [
            {
                "id": action.id,
                "action": action.action,
                "event_at": rfc3339(action.event_at, zone),
                "due_at": rfc3339(action.due_at, zone),
                "acted_at": rfc3339(action.acted_at, zone),
                "sweep_id": action.sweep_id,
                "receipt_id": action.receipt_id,
            }
            for action in found.actions
        ],
    }


def _show(document: dict[str, Any]) -> None:
    facts = {
        "state": document["state"],
        "behaves as": document["effective_state"],
        "withdrawn at": document["withdrawn_at"],
        "counter-only from": document["counter_only_from"],
        "invalid since": document["invalidated_at"],
        "deleted from": document["purge_from"],
    }
    show(table(f"Account {document['account_id']}", ("", ""), facts.items()), "")
    for name, reasons in document["prevented"].items():
        show(f"{name}: {'not now: ' + '; '.join(reasons) if reasons else 'due; the next sweep acts'}")
    if document["actions"]:
        show("", table("In the log", document["actions"][0], (each.values() for each in document["actions"])))
