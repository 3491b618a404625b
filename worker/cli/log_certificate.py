"""`retention log certificate` and `retention log check`: one action proven, and the proof checked with no database."""

import json
from os.path import isdir
from pathlib import Path
from typing import Any

import click

from models.errors import Refused, Unverified
from models.proof import Head
from tasks.certify import certify
from tasks.check_export import check_export
from tasks.rules.certificate import Certificate
from worker.cli.given import read_given
from worker.cli.options import HEAD, NUMBER, as_json
from worker.cli.output import print_json, show
from worker.deployment import deployment

__all__ = ["certificate", "check"]

NOT_HELD = (
    "{what} is consistent in itself, but was held against no head of its own range, and so proves nothing: "
    "anybody can write one that is. Give --head NUMBER:DIGEST from an export or from the structured log"
)


@click.command(epilog="Example: retention log certificate 4711 --output 4711.json")
@click.argument("action_id", metavar="ID", type=NUMBER)
@click.option("--to", type=NUMBER, help="Receipt at whose head the certificate ends; by default the latest.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="By default standard output.")
@as_json
def certificate(*, action_id: int, to: int | None, output: Path | None, as_json: bool) -> None:
    """Write one JSON document that proves one action of the log to whoever has a head of the chain."""
    certified = certify(deployment().engine, action_id, to=to)
    text = json.dumps(certified.as_json(), indent=1) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise click.BadParameter(f"{output} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"file": str(output), "receipt": certified.receipt.number, "head": str(certified.head)})
    else:
        show(f"{output} proves action {action_id} to whoever has the head {certified.head}.")


@click.command(epilog="Example: retention log check 4711.json --head 250:8d9f…")
@click.argument("what", metavar="FILE_OR_EXPORT")
@click.option("--head", "heads", type=HEAD, multiple=True, help="A head NUMBER:DIGEST that is known to be true.")
@as_json
def check(*, what: str, heads: tuple[Head, ...], as_json: bool) -> None:
    """Check a certificate, or a whole exported log, with no database and no setting.

    Exit 0 when it holds against a given head; 6 when anything differs; 3 when nothing differs but no head was given
    that it could be held against.
    """
    if "://" in what or isdir(what):  # noqa: PTH112 - `Path` fails where a name is too long
        document, held = _check_export(what, heads)
    else:
        document, held = _check_certificate(read_given(what), heads)
    if as_json:
        print_json({"ok": bool(held), "consistent": True, "held": [str(head) for head in held], **document})
    if not held:
        raise Refused(NOT_HELD.format(what=what))
    if not as_json:
        show(f"{what} is true: it leads to {', '.join(map(str, held))}.", *_told(document))


def _check_certificate(content: bytes, known: tuple[Head, ...]) -> tuple[dict[str, Any], list[Head]]:
    certified = Certificate.read(content)
    certified.check()
    passed = {head.number: head for head in certified.heads() if head.number in {each.number for each in known}}
    for head in known:
        if passed.get(head.number, head) != head:
            raise Unverified(f"the certificate leads to {passed[head.number]}, but {head} is known to be true")
    document = {
        "action": certified.action.as_json(),
        "receipt": certified.receipt.number,
        "head": str(certified.head),
    }
    return document, sorted(set(passed.values()))


def _check_export(url: str, known: tuple[Head, ...]) -> tuple[dict[str, Any], list[Head]]:
    found = check_export(url, known)
    document = {
        "receipts": found.receipts,
        "actions": found.actions,
        "head": str(found.head),
        "segments": found.segments,
        "restores": found.restores,
    }
    return document, list(found.held)


def _told(document: dict[str, Any]) -> list[str]:
    flat = document | document.pop("action", {})
    return [f"{name}: {value}" for name, value in flat.items()]
