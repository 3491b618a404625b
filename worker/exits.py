"""Exit codes: what each branch of the error tree means to the caller of a process."""

import sys
from typing import NoReturn

from models.errors import InvalidConfiguration, Refused, RetentionError, Unavailable, Unverified

__all__ = ["end", "exit_code", "told"]

EXITS: dict[type[RetentionError], int] = {Refused: 3, InvalidConfiguration: 4, Unavailable: 5, Unverified: 6}


def exit_code(error: RetentionError) -> int:
    """Return the exit code for an error: 3 refused, 4 configuration, 5 not reachable, 6 unverified, 1 a bug."""
    return next((code for branch, code in EXITS.items() if isinstance(error, branch)), 1)


def told(error: object) -> str:
    """Return what an error says in one line, whatever it quotes: a path may hold line breaks, a name escapes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(error))


def end(error: RetentionError) -> NoReturn:
    """End a process that cannot begin: one line for whoever started it, and the error's code."""
    print(f"retention: {told(error)}", file=sys.stderr)  # noqa: T201 - it may be the log that cannot be
    sys.exit(exit_code(error))
