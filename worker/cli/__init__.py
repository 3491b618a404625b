"""`retention …`: one file a command; this one finds them and turns errors into exit codes."""

import os
import signal
import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from models.errors import RetentionError
from worker.exits import exit_code
from worker.logs import configure_logs
from worker.printable import printable

__all__ = ["cli", "main"]

# Command → file, and what it is called there unless `command`; in the order of the help, imported when used.
COMMANDS = {
    "up": "up",
    "migrate": "migrate",
    "roles": "roles",
    "seed": "seed",
    "plan": "plan",
    "run": "run",
    "explain": "explain",
    "status": "status",
    "sweeps": "sweeps",
    "approve": "control:approve",
    "reject": "control:reject",
    "pause": "control:pause",
    "resume": "control:resume",
    "quarantine": "quarantine",
    "hold": "hold",
    "account": "account",
    "files": "files",
    "log": "log",
    "forecast": "forecast",
    "doctor": "doctor",
    "serve": "serve",
    "token": "token",
}
SUMMARIES = {
    "up": "Everything on one machine, until Ctrl-C.",
    "migrate": "Bring the schema to head.",
    "roles": "Make the database's roles: owner, worker, reader.",
    "seed": "Fill an empty database with a made-up population.",
    "plan": "Show what a sweep would do; change nothing.",
    "run": "Trigger a sweep by hand.",
    "explain": "Say why an account was, or was not, touched.",
    "status": "Show what is due, how late, and who is at work.",
    "sweeps": "List sweeps, newest first.",
    "approve": "Release a held sweep to act on its plan.",
    "reject": "End a held sweep.",
    "pause": "Stop a policy at once.",
    "resume": "Let a paused policy go on.",
    "quarantine": "Accounts that failed and were set aside.",
    "hold": "Keep the worker away from an account.",
    "account": "Withdraw, reactivate, recover, register: what people do.",
    "files": "See what purges left in object storage; try again.",
    "log": "Read, verify and export the log of actions.",
    "forecast": "Show what falls due on each of the next days.",
    "doctor": "Check everything the worker relies on.",
    "serve": "Dashboard, metrics, health and JSON API.",
    "token": "Make a token for the dashboard and the API.",
}


class LateCommands(click.Group):
    """A group that imports a command when it is called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, imported now; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        configure_logs("ERROR")  # what a command does, it says itself
        file, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"worker.cli.{file}"), name or "command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(cls=LateCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retention-worker")
def cli() -> None:
    """Close reactivation windows and delete My Page accounts five years after invalidation, provably.

    Exit codes: 0 done, 1 a bug, 2 usage, 3 refused or held, 4 configuration, 5 database or broker not
    reachable, 6 a verification failed.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)  # in good order, so that what was opened is closed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what was done is not to look like a bug where a sign cannot be shown
            stream.reconfigure(errors="backslashreplace")
    try:
        result: Any = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _report_usage(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("retention: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except RetentionError as error:
        print(f"retention: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        sys.exit(exit_code(error))
    except BrokenPipeError:
        # Whoever read us has left; the interpreter would complain once more while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug ends with a line, not a page
        _report_bug(error)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _report_usage(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"; see `{context.command_path} --help`" if context else ""
    message = " ".join(error.format_message().split()).rstrip(".")
    print(f"retention: {printable(message)}{hint}", file=sys.stderr)  # noqa: T201


def _report_bug(error: Exception) -> None:
    """Say where a bug is, without its text, which may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    print(f"retention: this is a bug: {type(error).__name__}{place}", file=sys.stderr)  # noqa: T201
    if os.environ.get("RETENTION_LOG_LEVEL") == "DEBUG":
        traceback.print_exception(error)
