"""`retention sweeps`: list sweeps, newest first."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

from models import SweepStatus
from worker.answers.sweeps import Sweep, read_sweeps
from worker.cli.options import as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment


def sweep_table(title: str | None, sweeps: Iterable[Mapping[str, Any]]) -> Any:
    """Return sweeps as a table for people."""
    columns = ["id", "policy", "status", "due", "accounts", "as_of", "started_at", "ended_at", "actor", "failure"]
    if any("files_left" in each for each in sweeps):
        columns.insert(5, "files_left")
    return table(title, columns, ([_short(each[name]) for name in columns] for each in sweeps))


def held_lines(sweeps: Iterable[Sweep]) -> list[str]:
    """Return for each held sweep, in words, why it is held and what to do."""
    lines = []
    for each in sweeps:
        if each["status"] != SweepStatus.HELD:
            continue
        lines.append(f"Sweep {each['id']} ({each['policy']}) is held since {_short(each['held_at'])}:")
        lines += [f"  {stop['gate']}: {stop['detail']}" for stop in each["held_for"]]
        if each["planned"] is not None:
            lines.append(f"  its plan: {each['planned']:,} accounts, {each['planned_digest']}")
        elif each["planned_to_at"] is not None:
            lines.append(f"  its plan is being written down, so far to those of {_short(each['planned_to_at'])}")
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
