"""Every error as one tree; a branch is a reaction.

RetentionError
├── Refused                      never retried; a person decides (exit 3)
│   ├── NotThereError            nothing has that number
│   │   └── NoSuchAccountError   there is no such account, or none any more
│   ├── WrongStateError          the account's state does not allow this
│   │   ├── PendingApplicationError  a self-made application is pending, so nobody withdraws
│   │   ├── WindowClosedError    only an office counter can reopen the account
│   │   └── RetentionOverError   the account is only waiting to be deleted
│   ├── AddressTakenError        another account has the e-mail address
│   ├── CredentialsError         address and password do not fit an account
│   ├── TooManyAttemptsError     somebody may be guessing; wait
│   ├── ExportRunningError       another export is at work; one at a time is enough
│   └── SweepStoppedError        the sweep may not go on: held, rejected or ended
├── InvalidConfiguration         fix the configuration or the schema, then start again (exit 4)
├── Unavailable                  retried with backoff: the database or the broker did not answer (exit 5)
│   ├── TooLongError             a statement was given up when its time was over; less at once may do
│   └── OutcomeUnknownError      the connection broke during the commit; only looking tells whether it was done
│       └── BatchUnknownError    … of a batch whose receipt is known
├── Unverified                   a check found the log or the data not as they must be (exit 6)
└── everything below is a bug and is loud (exit 1)
    ├── NaiveInstantError        an instant without a time zone reached the law
    └── StatementError           the database refused a statement
        └── BatchRefusedError    … of a batch whose accounts are known
            └── BatchTooLongError    … or gave it up when its time was over
"""

__all__ = [
    "AddressTakenError",
    "BatchRefusedError",
    "BatchTooLongError",
    "BatchUnknownError",
    "CredentialsError",
    "ExportRunningError",
    "InvalidConfiguration",
    "NaiveInstantError",
    "NoSuchAccountError",
    "NotThereError",
    "OutcomeUnknownError",
    "PendingApplicationError",
    "Refused",
    "RetentionError",
    "RetentionOverError",
    "StatementError",
    "SweepStoppedError",
    "TooLongError",
    "TooManyAttemptsError",
    "Unavailable",
    "Unverified",
    "WindowClosedError",
    "WrongStateError",
]


class RetentionError(Exception):
    """Base of all errors the worker raises on purpose.

    Arguments are positional, so that it survives a pickle: the message, and in some branches facts for the program.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Refused(RetentionError):  # noqa: N818 - names a reaction, not a fault of the program
    """The request is understood and not carried out; a person decides what comes next."""


class NotThereError(Refused):
    """No sweep, hold or whatever was asked for has that number."""


class NoSuchAccountError(NotThereError):
    """No account has that number, or none has it any more."""


class WrongStateError(Refused):
    """The account's effective state does not allow what was asked."""


class PendingApplicationError(WrongStateError):
    """A self-made application (自主応募) is pending, so the account cannot be withdrawn."""


class WindowClosedError(WrongStateError):
    """The reactivation window is over: only an office counter can reopen the account."""


class RetentionOverError(WrongStateError):
    """The years since invalidation are over: the account is only waiting to be deleted."""


class AddressTakenError(Refused):
    """Another account has that e-mail address."""


class CredentialsError(Refused):
    """The address and the password do not fit an account; which of them does not is never said."""


class TooManyAttemptsError(Refused):
    """There were too many attempts, or nobody knows how many there were."""


class ExportRunningError(Refused):
    """Another export of this database is at work."""


class SweepStoppedError(Refused):
    """The sweep may not go on, so nothing of the batch is kept."""


class InvalidConfiguration(RetentionError):  # noqa: N818 - names a reaction
    """A setting, or the schema of the database, is not one this program can work with."""


class Unavailable(RetentionError):  # noqa: N818 - names a reaction
    """The database or the broker did not answer, or asked to try again; nothing was changed, or the branch says so."""


class TooLongError(Unavailable):
    """A statement was given up: its time was over, or somebody cancelled it."""


class OutcomeUnknownError(Unavailable):
    """The connection broke between the word to commit and its answer: everything was done, or nothing."""


class BatchUnknownError(OutcomeUnknownError):
    """The same of a batch.

    Args: the message, and the number of the receipt that is there if the batch was committed.
    """

    @property
    def receipt_id(self) -> int:
        """The batch's receipt, known before the commit."""
        number: int = self.args[1]
        return number


class Unverified(RetentionError):  # noqa: N818 - names a reaction
    """A verification found a difference."""


class NaiveInstantError(RetentionError):
    """An instant has no time zone, so no calendar day can be named for it."""


class StatementError(RetentionError):
    """The database refused a statement; the message names its code and the objects, never the values."""


class BatchRefusedError(StatementError):
    """The database refused what a batch wanted to do; nothing of it was done.

    Args: the message, and the numbers of the batch's accounts, one or some of which are the cause.
    """

    @property
    def account_ids(self) -> tuple[int, ...]:
        """The accounts of the batch."""
        numbers: tuple[int, ...] = self.args[1]
        return numbers


class BatchTooLongError(BatchRefusedError):
    """What a batch wanted to do took longer than it may; fewer accounts, or one alone, may do."""
