"""What a fault is: what it does, what of ours it may end, and how it knows that it has struck."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from processes import until

from chaos.gate import Point

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["KILLED", "STOPPED", "Clocks", "Fault", "NotStruckError", "fault", "struck"]

# Exit codes of a process that was killed, and of one that was told to stop and did.
KILLED, STOPPED = -9, 0
Strike = Callable[["Deployment"], AbstractContextManager[None]]


class NotStruckError(Exception):
    """Says what did not happen, so that the round shows nothing."""


class Clocks(Enum):
    """Whose clocks a fault steps: a deployment has to be started for that."""

    OURS = "of workers and beats"
    DATABASE = "of PostgreSQL"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault begins when its context is entered, while the batch stands still, and ends when that is left.

    Attributes:
        name: what it is called on the command line.
        strike: makes its context; raises `NotStruckError` where it finds that it had no effect.
        may_end: exit codes with which processes may end by it, by their kind.
        loses_messages: whether a message may never come, or come too late to be taken.
        clocks: which it steps, if any.
        of_a_batch: whether it strikes the process that came to the gate, and nobody else.
        not_at: points at which it would strike nothing, as one that needs a batch does where none follows.
    """

    name: str
    strike: Strike
    may_end: Mapping[str, Collection[int]] = field(default_factory=dict)
    loses_messages: bool = False
    clocks: Clocks | None = None
    of_a_batch: bool = False
    not_at: Collection[Point] = ()


def fault(**how: Any) -> Callable[[Callable[["Deployment"], Iterator[None]]], Fault]:
    """Make a fault of what it does: up to its `yield` it begins, after that it ends."""
    return lambda does: Fault(does.__name__.replace("_", " "), contextmanager(does), **how)


def struck(true: Callable[[], Any], what: str, seconds: float = 15) -> None:
    """Wait until a fault's effect is seen.

    Raises:
        NotStruckError: it does not come.
    """
    try:
        until(true, what, seconds)
    except AssertionError:
        raise NotStruckError(f"not seen: {what}") from None
