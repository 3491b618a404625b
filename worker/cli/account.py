"""`retention account …`: what people do to an account."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from models import Registration
from models.errors import Refused, Unavailable
from tasks.explain import explain
from tasks.guesses import Guesses
from tasks.passwords import Passwords
from tasks.transitions import OWNER, Credentials, Transitions
from worker.answers.explanation import explanation
from worker.broker import redis_client
from worker.cli.options import ACCOUNT, as_json, not_blank
from worker.cli.output import print_json, show, table
from worker.deployment import Deployment, deployment

LONGEST_PASSWORD_BYTES = 1024

EMAIL = click.option("--email", required=True, callback=not_blank, help="The e-mail address.")
SHOWN = {
    "account_id": "account id",
    "state": "state",
    "registration": "registration",
    "counter_only_from": "counter-only from",
    "purge_from": "deleted from",
}


def by(whose: str) -> Callable[..., Any]:
    """Give a command the option `--actor`, kept in the account's history."""
    told = "Who does it; kept in the history."
    return click.option("--actor", default=whose, show_default=True, callback=not_blank, help=told)


@click.group()
def command() -> None:
    """Withdraw, reactivate, recover, register: every way a person changes an account.

    A password is asked for, or read as one line from standard input; never taken from the arguments.
    """


@command.command(epilog="Example: retention account withdraw 4711")
@ACCOUNT
@by(OWNER)
@as_json
def withdraw(*, account_id: int, actor: str, as_json: bool) -> None:
    """Leave My Page (退会): logins end, and the reactivation window begins.

    Refused while a self-made application is pending.
    """
    here = deployment()
    _transitions(here).withdraw(account_id, by=actor)
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account reactivate --email name@example.jp")
@EMAIL
@by(OWNER)
@as_json
def reactivate(*, email: str, actor: str, as_json: bool) -> None:
    """Reopen a withdrawn account inside its window, by its old address and password."""
    password = _password("Password")
    here = deployment()
    account_id = _transitions(here).reactivate(Credentials(email, password), by=actor)
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account login --email name@example.jp")
@EMAIL
@as_json
def login(*, email: str, as_json: bool) -> None:
    """Log in: opens a login session, or says why nobody can."""
    password = _password("Password")
    here = deployment()
    account_id = _transitions(here).log_in(Credentials(email, password))
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account recover 4711 --staff 0815 --office 13010 --email name@example.jp")
@ACCOUNT
@click.option("--staff", required=True, callback=not_blank, help="Number of the member of staff; kept in the history.")
@click.option("--office", required=True, callback=not_blank, help="Number of the office; kept in the history.")
@EMAIL
@as_json
def recover(*, account_id: int, staff: str, office: str, email: str, as_json: bool) -> None:
    """Reopen account ID at an office counter, once its window is over, with a new address and password.

    Its job-seeking information stays, and whoever was registered online only is an office registrant from now on.
    """
    password = _password("New password", new=True)
    here = deployment()
    _transitions(here).recover(account_id, Credentials(email, password), staff=staff, office=office)
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account register --email name@example.jp")
@EMAIL
@click.option(
    "--registration",
    type=click.Choice([each.value for each in Registration]),
    default=Registration.ONLINE.value,
    show_default=True,
    help="Where the person is registered.",
)
@by(OWNER)
@as_json
def register(*, email: str, registration: str, actor: str, as_json: bool) -> None:
    """Open a new account with a new job-seeking registration.

    The address of an account past its window is free, also when the worker is late.
    """
    password = _password("New password", new=True)
    here = deployment()
    account_id = _transitions(here).register(
        Credentials(email, password), registration=Registration(registration), by=actor
    )
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account invalidate 4711 --actor system")
@ACCOUNT
@by(OWNER)
@as_json
def invalidate(*, account_id: int, actor: str, as_json: bool) -> None:
    """Make the job-seeking registration of account ID invalid (無効): the years until deletion begin."""
    here = deployment()
    _transitions(here).invalidate(account_id, by=actor)
    _tell(here, account_id, as_json=as_json)


@command.command(epilog="Example: retention account revalidate 4711 --actor 0815 --office 13010")
@ACCOUNT
@by(OWNER)
@click.option("--office", callback=not_blank, help="Number of the office, if it happens at one; kept in the history.")
@as_json
def revalidate(*, account_id: int, actor: str, office: str | None, as_json: bool) -> None:
    """Make the job-seeking registration of account ID valid again: the years stop."""
    here = deployment()
    _transitions(here).revalidate(account_id, by=actor, office=office)
    _tell(here, account_id, as_json=as_json)


def _transitions(here: Deployment) -> Transitions:
    return Transitions(here.engine, here.policies, Passwords(), Guesses(redis_client(here.addresses.broker_url)))


def _password(prompt: str, *, new: bool = False) -> str:
    """Ask a person at a terminal, twice for a new password; read one line from whatever else standard input is."""
    try:
        password = _asked(prompt, new=new) if sys.stdin and sys.stdin.isatty() else _read()
        size = len(password.encode())
    except UnicodeError:
        raise Refused("the password is not in UTF-8") from None
    if size > LONGEST_PASSWORD_BYTES:
        raise Refused(f"the password is longer than {LONGEST_PASSWORD_BYTES} bytes")
    return password


def _asked(prompt: str, *, new: bool) -> str:
    asked: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
    return asked


def _read() -> str:
    given = sys.stdin.buffer.readline(LONGEST_PASSWORD_BYTES + 2) if sys.stdin else b""
    line = given.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise Refused("there is no password on standard input; give it as one line, or answer the prompt of a terminal")
    return line.decode()


def _tell(here: Deployment, account_id: int, *, as_json: bool) -> None:
    """Say how the account stands now.

    Raises:
        Unavailable: what was asked for is done, and how the account stands could not be read.
    """
    try:
        found = explain(here.engine, here.policies, account_id)
    except Unavailable as error:
        raise Unavailable(f"it is done for account {account_id}; how that stands could not be read: {error}") from None
    document = explanation(found, here.zone)
    if as_json:
        print_json(document)
    else:
        facts: Mapping[str, object] = document
        show(table(None, ("", ""), ((label, facts[name]) for name, label in SHOWN.items())))
