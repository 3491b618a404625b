"""Every error as one tree; a branch is a reaction.

RetentionError
├── Refused                   never retried; an operator decides (exit 3)
├── InvalidConfiguration      fix the configuration or the schema, then start again (exit 4)
├── Unavailable               retried with backoff: the database or the broker did not answer (exit 5)
├── Unverified                a check found the log or the data not as they must be (exit 6)
└── everything below is a bug and is loud (exit 1)
    ├── NaiveInstantError     an instant without a time zone reached the law
    └── StatementError        the database refused a statement
"""

__all__ = [
    "InvalidConfiguration",
    "NaiveInstantError",
    "Refused",
    "RetentionError",
    "StatementError",
    "Unavailable",
    "Unverified",
]


class RetentionError(Exception):
    """Base of all errors the worker raises on purpose. Arguments are positional, so that it survives a pickle."""


class Refused(RetentionError):  # noqa: N818 - names a reaction, not a fault of the program
    """The request is understood and not carried out; a person decides what comes next."""


class InvalidConfiguration(RetentionError):  # noqa: N818 - names a reaction
    """A setting, or the schema of the database, is not one this program can work with."""


class Unavailable(RetentionError):  # noqa: N818 - names a reaction
    """The database or the broker did not answer, or asked to try again; nothing was changed."""


class Unverified(RetentionError):  # noqa: N818 - names a reaction
    """A verification found a difference."""


class NaiveInstantError(RetentionError):
    """An instant has no time zone, so no calendar day can be named for it."""


class StatementError(RetentionError):
    """The database refused a statement; the message names its code and the objects, never the values."""
