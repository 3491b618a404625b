"""`retention token …`: who may use the dashboard and the API."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError

from models.errors import InvalidConfiguration
from worker.cli.options import INSTANT, as_json
from worker.cli.output import error_console, print_json, show
from worker.web.tokens import Role, new_token

ROLES = {role.label: role for role in Role}


@click.group()
def command() -> None:
    """Make tokens: each has a name, which is recorded with every act, and a role.

    A viewer reads; an operator also triggers, rejects, pauses, resumes, places holds and retries; an approver also
    releases what a gate or a hold keeps.
    """


@command.command(epilog="Example: retention token new sato --role approver --file /etc/retention/tokens")
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), required=True, help="What its owner may do.")
@click.option("--expires", type=INSTANT, help="From when on it is worth nothing; RFC 3339 with an offset.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Append its line to this file.")
@as_json
def new(*, name: str, role: str, expires: datetime | None, file: Path | None, as_json: bool) -> None:
    """Make a token for NAME and print it, once: only its digest is kept.

    Its line belongs into the file that RETENTION_WEB_TOKENS_FILE names, or into RETENTION_WEB_TOKENS; a server sees a
    changed file at once. To take a token back, delete its line.
    """
    if expires is not None and expires <= datetime.now(UTC):
        raise click.BadParameter(f"{expires.isoformat()} is over; give an instant to come", param_hint="--expires")
    try:
        token, entry = new_token(name, ROLES[role], expires)
    except ValidationError as error:
        said = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise click.BadParameter(f"{name!r}: {said}", param_hint="NAME") from None
    if file is not None:
        _append(file, entry.line())
    if as_json:
        print_json({"token": token, "line": entry.line()})
        return
    show(token)
    told = f"its line is in {file}" if file else f"its line, for RETENTION_WEB_TOKENS_FILE:\n{entry.line()}"
    error_console().print(f"Give this token to {name}; nobody can read it again. {told[0].upper()}{told[1:]}")


def _append(file: Path, line: str) -> None:
    """Append a line to a file that only its owner can read, if it is made now."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            size = os.fstat(opened.fileno()).st_size
            ends = size == 0 or os.pread(opened.fileno(), 1, size - 1) == b"\n"
            opened.write(f"{'' if ends else chr(10)}{line}\n".encode())
    except OSError as error:
        raise InvalidConfiguration(f"cannot write {file}: {error.strerror}; nothing was kept") from None
