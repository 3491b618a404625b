"""`retention roles create`: the database's roles of least privilege."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from models.errors import InvalidConfiguration
from tasks.roles import Login, add_member, give_rights, groups_of, hand_over, is_there
from tasks.transaction import transaction
from worker.cli.options import as_json, not_blank
from worker.cli.output import print_json, show
from worker.database import verifier
from worker.deployment import deployment
from worker.secret_files import read_secret

SHORTEST = 12

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@click.group()
def command() -> None:
    """The database's roles: an owner that migrates, workers, web servers, readers for dashboards."""


def _name(role: str, default: str) -> Decorator:
    return click.option(
        f"--{role}", metavar="NAME", callback=not_blank, help=f"Name of the {role.replace('-', ' ')}{default}."
    )


def _password(role: str) -> Decorator:
    path = click.Path(path_type=Path)
    return click.option(f"--{role}-password-file", type=path, metavar="FILE", help="File with its password.")


@command.command(
    epilog="Example: retention roles create --worker-password-file worker_password "
    "--web-server-password-file web_server_password --reader-password-file reader_password"
)
@_name("owner", ", to whom database and tables are handed over; by default they stay with whoever has them")
@_password("owner")
@_name("worker", "; by default <database>_worker")
@_password("worker")
@_name("web-server", "; by default <database>_web_server")
@_password("web-server")
@_name("reader", "; by default <database>_reader")
@_password("reader")
@as_json
def create(**chosen: Any) -> None:
    """Make the roles, or bring them in order, and give each exactly its rights. Harmless to repeat.

    Connect as an administrator of the database: a superuser, or its owner with CREATEROLE. A password that is in no
    file is asked for, where a role is new; the server gets a digest of it. To change one, repeat with a file, or make
    a second worker by another name, move over to it, and drop the first.
    """
    here = deployment(any_schema=True)
    with transaction(here.engine) as connection:
        groups = groups_of(connection)
        owner = chosen["owner"]
        members = {kind: chosen[kind] or group.removesuffix("s") for kind, group in groups.items()}
        _tell_apart(owner, *members.values(), *groups.values())
        done = hand_over(connection, _login(connection, "owner", owner, chosen)) if owner else []
        for kind, name in members.items():
            done += add_member(connection, _login(connection, kind, name, chosen), groups[kind])
        done += give_rights(connection)
    if chosen["as_json"]:
        print_json({"owner": owner, **{kind.value: name for kind, name in members.items()}, "done": done})
    else:
        show(*done)


def _tell_apart(*names: str | None) -> None:
    given = [name for name in names if name]
    if twice := {name for name in given if given.count(name) > 1}:
        raise InvalidConfiguration(f"{', '.join(sorted(twice))} cannot be two roles; give each its own name")


def _login(connection: Connection, role: str, name: str, chosen: dict[str, Any]) -> Login:
    option = f"--{role.replace('_', '-')}-password-file"
    file: Path | None = chosen[f"{role}_password_file"]
    if file is not None:
        password = read_secret(file, option)
    elif is_there(connection, name):
        return Login(name, None)
    elif sys.stdin.isatty():
        password = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise click.UsageError(f"role {name} is new: give {option}, or run this at a terminal")
    if len(password) < SHORTEST:
        raise InvalidConfiguration(f"the password of {name} is shorter than {SHORTEST} signs")
    return Login(name, verifier(connection, name, password))
