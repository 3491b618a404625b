"""What commands share in how they are asked: options, arguments and their types."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

import click

from models.proof import Head
from tasks.rules.named import fault
from worker.cli.output import error_console
from worker.settings import settings

__all__ = ["ACCOUNT", "HEAD", "INSTANT", "NUMBER", "actor_and_reason", "as_json", "not_blank"]


class _Number(click.IntRange):
    """The number of an account, a hold, a sweep."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.strip().removeprefix("-").isdecimal():
            self.fail(f"{value!r} is not a number, such as 4711", param, ctx)
        return super().convert(value, param, ctx)


NUMBER = _Number(1, 2**63 - 1)
ACCOUNT = click.argument("account_id", metavar="ID", type=NUMBER)


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--json`, passed on as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(command)


def actor_and_reason(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that decides the options `--actor` and `--reason`, which are recorded with what it does.

    Where no setting names the database, it says first which one it is about: on a host whose services have their
    settings to themselves, it would be another one than theirs.
    """

    @wraps(command)
    def decide(**given: Any) -> Any:
        chosen = settings()
        if chosen.database_url is None:
            where = f"the embedded database under {chosen.var_directory}"
            error_console().print(f"retention: RETENTION_DATABASE_URL is not set: this is about {where}")
        return command(**given)

    actor = click.option("--actor", required=True, callback=not_blank, help="Who asks; recorded.")
    reason = click.option("--reason", required=True, callback=not_blank, help="Why; recorded.")
    return actor(reason(decide))


def not_blank(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse an option that is given and says nothing, too much, or nothing that could be written down."""
    wrong = None if value is None else fault(param.name or "", value)
    if wrong:
        raise click.BadParameter(wrong, param=param)
    return value


# Periods are counted back and forth from an instant; these leave the calendar room for both.
EARLIEST_YEAR, LATEST_YEAR = 1900, 9000


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant; give one such as 2026-12-01T00:00:00+09:00", param, ctx)
        if instant.utcoffset() is None:
            self.fail(f"{value!r} has no offset; give one such as 2026-12-01T00:00:00+09:00", param, ctx)
        if not EARLIEST_YEAR <= instant.year <= LATEST_YEAR:
            self.fail(f"{value!r} lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR}", param, ctx)
        return instant


INSTANT = _Instant()


class _Head(click.ParamType[Head]):
    name = "head"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        if isinstance(value, Head):
            return value
        try:
            return Head.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no head; give NUMBER:DIGEST, the digest as 64 hexadecimal signs", param, ctx)


HEAD = _Head()
