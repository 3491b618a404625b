"""`retention sweeps`: list sweeps, newest first."""

from typing import Any
from zoneinfo import ZoneInfo

import click

from models import SweepStatus
from tasks.files import files_left_of
from tasks.statements.sweeps import select_sweeps
from tasks.transaction import transaction
from worker.cli.options import as_json
from worker.cli.output import print_json, rfc3339, show, table
from worker.deployment import Deployment, deployment

INSTANTS = (
    *("tick", "as_of", "cutoff", "created_at", "started_at", "ended_at"),
    *("heard_at", "held_at", "approved_at", "canary_at"),
)


def sweep_document(row: Any, zone: ZoneInfo) -> dict[str, Any]:
    """Return one sweep as JSON shows it: its columns, and `accounts` and `batches` done."""
    document = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    digest = document["planned_digest"]
    document["planned_digest"] = None if digest is None else digest.hex()
    return document | {name: rfc3339(document[name], zone) for name in INSTANTS}


def read_sweeps(here: Deployment, *, files: bool = False, **which: Any) -> list[dict[str, Any]]:
    """Return sweeps as JSON shows them; with `files`, `files_left` too; `which` as for `select_sweeps`."""
    with transaction(here.engine) as connection:
        rows = connection.execute(select_sweeps(**which)).all()
        left = files_left_of(connection, (row.id for row in rows)) if files else {}
    documents = [sweep_document(row, here.zone) for row in rows]
    return [each | {"files_left": left[each["id"]]["left"]} if files else each for each in documents]


def sweep_table(title: str | None, sweeps: list[dict[str, Any]]) -> Any:
    """Return sweeps as a table for people."""
    columns = ["id", "policy", "status", "due", "accounts", "as_of", "started_at", "ended_at", "actor", "failure"]
    if any("files_left" in each for each in sweeps):
        columns.insert(5, "files_left")
    return table(title, columns, ([_short(each[name]) for name in columns] for each in sweeps))


def held_lines(sweeps: list[dict[str, Any]]) -> list[str]:
    """Return for each held sweep, in words, why it is held and what to do."""
    lines = []
    for each in sweeps:
        if each["status"] != SweepStatus.HELD:
            continue
        lines.append(f"Sweep {each['id']} ({each['policy']}) is held since {_short(each['held_at'])}:")
        lines += [f"  {stop['gate']}: {stop['detail']}" for stop in each["held_for"]]
        if each["planned"] is not None:
            lines.append(f"  its plan: {each['planned']:,} accounts, {each['planned_digest']}")
    return lines


def _short(value: Any) -> Any:
    """Leave out the fraction of a second, which tells people nothing."""
    if isinstance(value, str) and len(value) > 26 and value[10:11] == "T":
        return value[:19] + value[26:]
    return value


@click.command(epilog="Example: retention sweeps --limit 5 --json")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Sweeps at most.")
@as_json
def command(*, limit: int, as_json: bool) -> None:
    """List sweeps, newest first: which policy, at which cutoff, asked for by whom, and what came of it."""
    sweeps = read_sweeps(deployment(), files=True, limit=limit)
    if as_json:
        print_json({"sweeps": sweeps})
    elif sweeps:
        show(sweep_table(None, sweeps), *held_lines(sweeps))
    else:
        show("No sweep yet. Beat asks for them at the policies' ticks; `retention run` does by hand.")
