"""`retention status`: is everything on time, and who is at work."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import select

from models import Heartbeat
from models.errors import Unavailable
from tasks.files import files_left
from tasks.measure import lateness
from tasks.statements.control import select_pauses
from tasks.statements.due import count_anomalies, count_holds
from tasks.statements.quarantine import count_failures, count_set_aside
from tasks.transaction import transaction
from worker.app import create_app
from worker.broker import workers
from worker.cli.options import as_json
from worker.cli.output import error_console, print_json, rfc3339, show, table
from worker.cli.sweeps import held_lines, read_sweeps, sweep_table
from worker.deployment import Deployment, deployment
from worker.exits import exit_code

# Beat sends a dispatch each minute; one may be lost, two are a fault.
BEAT_SILENT_SECONDS = 150


@click.command(epilog="Example: retention status --json")
@as_json
def command(*, as_json: bool) -> int:
    """Show for each policy what is due and overdue, then sweeps under way, anomalies, holds, files, beat, workers."""
    here = deployment()
    document = _read(here)
    try:
        document["workers"] = workers(create_app(here.settings, here.addresses))
        code = 0
    except Unavailable as error:
        error_console().print(f"retention: {error}")
        document["workers"] = None
        code = exit_code(error)
    if as_json:
        print_json(document)
    else:
        _show(document)
    return code


def _read(here: Deployment) -> dict[str, Any]:
    now = datetime.now(UTC)
    with transaction(here.engine) as connection:
        late = [lateness(connection, here.policies, policy, now) for policy in here.policies]
        anomalies = {kind: accounts for kind, accounts in connection.execute(count_anomalies(now=now))}  # noqa: C416 - rows
        holds = connection.execute(count_holds()).scalar_one()
        pauses = connection.execute(select_pauses()).all()
        set_aside = {policy: accounts for policy, accounts in connection.execute(count_set_aside())}  # noqa: C416 - rows
        failures = {failure: accounts for failure, accounts in connection.execute(count_failures())}  # noqa: C416 - rows
        left = files_left(connection)
        heard = connection.scalar(select(Heartbeat.at).where(Heartbeat.source == "beat"))
    return {
        "at": rfc3339(now, here.zone),
        "policies": {
            each.policy.value: {
                "due": each.due,
                "overdue": each.overdue,
                "oldest_due_at": rfc3339(each.oldest_due_at, here.zone),
                "next_tick": rfc3339(each.next_tick, here.zone),
            }
            for each in late
        },
        "sweeps": read_sweeps(here, unended=True),
        "paused": {
            each.policy: {"since": rfc3339(each.at, here.zone), "actor": each.actor, "reason": each.reason}
            for each in pauses
        },
        "anomalies": anomalies,
        "holds": holds,
        "quarantine": set_aside,
        "quarantine_failures": failures,
        "files": asdict(left)
        | {
            "oldest_at": rfc3339(left.oldest_at, here.zone),
            "documents_url_is_set": here.settings.documents_url is not None,
        },
        "beat": {
            "last_tick_at": rfc3339(heard, here.zone),
            "alive": heard is not None and (now - heard).total_seconds() < BEAT_SILENT_SECONDS,
        },
    }


def _show(document: dict[str, Any]) -> None:
    rows = ([name, *each.values()] for name, each in document["policies"].items())
    show(table(None, ("policy", "due", "overdue", "oldest due at", "next tick"), rows), "")
    if document["sweeps"]:
        show(sweep_table("Under way", document["sweeps"]), *held_lines(document["sweeps"]), "")
    found = [f"{kind} {accounts:,}" for kind, accounts in document["anomalies"].items() if accounts]
    beat, workers = document["beat"], document["workers"]
    facts = {
        "anomalies": ", ".join(found) or "none",
        "holds": f"{document['holds']:,}",
        "paused": "; ".join(f"{name} by {each['actor']}: {each['reason']}" for name, each in document["paused"].items())
        or "no",
        "quarantine": ", ".join(f"{name} {accounts:,}" for name, accounts in document["quarantine"].items()) or "none",
        "set aside for": "; ".join(document["quarantine_failures"]) or "-",
        "files left": _files(document["files"]),
        "beat": ("alive" if beat["alive"] else "silent") + f", last heard {beat['last_tick_at'] or 'never'}",
        "workers": "unknown: the broker does not answer" if workers is None else ", ".join(workers) or "none",
    }
    show(table(None, ("", ""), facts.items()))


def _files(left: dict[str, Any]) -> str:
    counted = {"waiting": left["waiting"], "overdue": left["overdue"], "refused": left["refused"]}
    said = ", ".join(f"{name} {files:,}" for name, files in counted.items() if files)
    if left["in_use"]:
        said += f"{', ' if said else ''}in use by other accounts {left['in_use']:,}"
    if left["oldest_at"]:
        said += f"; the oldest since {left['oldest_at']}"
    if left["waiting"] and not left["documents_url_is_set"]:
        said += "; none is erased until RETENTION_DOCUMENTS_URL is set"
    return said or "none"
