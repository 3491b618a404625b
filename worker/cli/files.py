"""`retention files …`: the files that purges left in object storage."""

from typing import Any
from zoneinfo import ZoneInfo

import click

from tasks import files
from worker.answers.instants import rfc3339
from worker.cli.options import NUMBER, actor_and_reason, as_json
from worker.cli.output import print_json, show, table
from worker.deployment import deployment

COLUMNS = ("id", "sweep_id", "created_at", "attempts", "failure", "tried_at", "next_try_at", "refused_at")
SETTLED = ("id", "sweep_id", "created_at", "failure", "settled_at", "actor", "reason")


@click.group()
def command() -> None:
    """See the files of purged accounts that are still there, try them again, or settle them by hand."""


@command.command("list", epilog="Example: retention files list --refused --keys")
@click.option("--refused", is_flag=True, help="Only those whose key may not be erased.")
@click.option("--settled", is_flag=True, help="Those that somebody settled, instead of those that are left.")
@click.option("--keys", is_flag=True, help="Show storage keys, which may hold personal data.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Files at most.")
@as_json
def list_files(*, refused: bool, settled: bool, keys: bool, limit: int, as_json: bool) -> None:
    """List files that purges left, oldest first: how often erasing failed and why, or why the key is refused."""
    here = deployment()
    columns = (*(SETTLED if settled else COLUMNS), *(["storage_key"] if keys else []))
    rows = files.list_files(here.engine, refused=refused, settled=settled, limit=limit)
    documents = [_document(row, columns, here.zone) for row in rows]
    if as_json:
        print_json({"files": documents})
    elif documents:
        show(table(None, columns, (each.values() for each in documents)))
    else:
        show("No file is settled." if settled else "No file is left.")


@command.command(epilog='Example: retention files retry 12 --actor mori --reason "the bucket answers again"')
@click.argument("file_id", metavar="[ID]", type=NUMBER, required=False)
@click.option("--all", "every", is_flag=True, help="All that are left.")
@actor_and_reason
@as_json
def retry(*, file_id: int | None, every: bool, actor: str, reason: str, as_json: bool) -> None:
    """Try file ID again within a minute, or with --all every file that is left, even if refused before."""
    if (file_id is None) != every:
        raise click.UsageError("give the ID of a file, or --all")
    asked = files.retry(deployment().engine, file_id, actor=actor, reason=reason)
    if as_json:
        print_json({"files": len(asked)})
    else:
        show(f"{len(asked):,} file{'' if len(asked) == 1 else 's'} will be tried again within a minute.")


@command.command(epilog='Example: retention files settle 12 --actor mori --reason "deleted by hand in the old bucket"')
@click.argument("file_id", metavar="ID", type=NUMBER)
@actor_and_reason
@as_json
def settle(*, file_id: int, actor: str, reason: str, as_json: bool) -> None:
    """Declare that nothing is left to erase of file ID, as when you deleted it by hand; its key is forgotten."""
    files.settle(deployment().engine, file_id, actor=actor, reason=reason)
    if as_json:
        print_json({"id": file_id})
    else:
        show(f"File {file_id} is settled, and its key forgotten.")


def _document(row: Any, columns: tuple[str, ...], zone: ZoneInfo) -> dict[str, Any]:
    cells = {name: getattr(row, name) for name in columns}
    return {name: rfc3339(cell, zone) if name.endswith("_at") else cell for name, cell in cells.items()}
