"""`retention status`: is everything on time, and who is at work."""

from datetime import UTC, datetime

import click

from models.errors import Unavailable
from tasks.standing import take_standing
from tasks.transaction import transaction
from worker.answers.status import Files, Status, read_status
from worker.app import create_client
from worker.broker import workers
from worker.cli.options import as_json
from worker.cli.output import error_console, print_json, show, table
from worker.cli.sweeps import held_lines, sweep_table
from worker.deployment import deployment
from worker.exits import exit_code


@click.command(epilog="Example: retention status --json")
@as_json
def command(*, as_json: bool) -> int:
    """Show for each policy what is due and overdue, then sweeps under way, anomalies, holds, files, beat, workers."""
    here = deployment()
    with transaction(here.engine) as connection:
        standing = take_standing(connection, here.policies, datetime.now(UTC))
    at_work, code = None, 0
    try:
        at_work = workers(create_client(here.settings, here.addresses))
    except Unavailable as error:
        error_console().print(f"retention: {error}")
        code = exit_code(error)
    document = read_status(here, standing, at_work)
    if as_json:
        print_json(document)
    else:
        _show(document)
    return code


def _show(document: Status) -> None:
    rows = ([name, *each.values()] for name, each in document["policies"].items())
    show(table(None, ("policy", "due", "overdue", "oldest due at", "next tick", "quiet until"), rows), "")
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


def _files(left: Files | None) -> str:
    if left is None:
        return "not counted"
    counted = {"waiting": left["waiting"], "overdue": left["overdue"], "refused": left["refused"]}
    said = ", ".join(f"{name} {files:,}" for name, files in counted.items() if files)
    if left["in_use"]:
        said += f"{', ' if said else ''}in use by other accounts {left['in_use']:,}"
    if left["oldest_at"]:
        said += f"; the oldest since {left['oldest_at']}"
    if left["waiting"] and not left["documents_url_is_set"]:
        said += "; none is erased until RETENTION_DOCUMENTS_URL is set"
    return said or "none"
