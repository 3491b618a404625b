"""How far the log was verified: what the next verification goes on from."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from models.proof import GENESIS, Head
from tasks.statements.sweeps import beat_heart, read_clock
from tasks.statements.verified import select_verified, write_verified

__all__ = ["SOURCE", "Mark", "Memory", "recall", "remember"]

# The heartbeat that says since when nothing in the whole log is unverified.
SOURCE = "verify"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the chain up to which all is in order; `actions` are in the receipts up to there."""

    head: Head = field(default_factory=partial(Head, 0, GENESIS))
    actions: int = 0

    @property
    def number(self) -> int:
        """Number of the last receipt; 0 before the first."""
        return self.head.number


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier verifications found in order.

    Attributes:
        newest: as far as the log was ever verified.
        again: as far as the second look has come that goes through what was verified before; the beginning between two.
        since: when that look began; None between two.
    """

    newest: Mark = field(default_factory=Mark)
    again: Mark = field(default_factory=Mark)
    since: datetime | None = None

    @property
    def heads(self) -> tuple[Head, Head]:
        """The heads that the chain was found to have; one that it has no more was rewritten."""
        return self.newest.head, self.again.head

    def advanced(self, again: Mark, newest: Mark) -> "Memory":
        """Return what is known after both were moved on: a second look that has met the first goes on with it."""
        return replace(self, newest=newest, again=newest if again.number == self.newest.number else again)


def recall(connection: Connection) -> Memory:
    """Return what was found in order so far."""
    row = connection.execute(select_verified()).one_or_none()
    if row is None:
        return Memory()
    newest = Mark(Head(row.number, row.digest), row.actions)
    return Memory(newest, Mark(Head(row.again_number, row.again_digest), row.again_actions), row.again_since)


def remember(connection: Connection, memory: Memory, *, last: int, mended: bool) -> None:
    """Write down what was found in order.

    Where the second look has come to the end, everything was looked at since it began: this is written down, too, and
    the next one begins at the beginning.

    Args:
        connection: in a transaction that may write.
        memory: what is in order now.
        last: number of the chain's last receipt.
        mended: whether everything was looked at just now, so that no break found earlier is there any more.
    """
    now = connection.execute(read_clock()).scalar_one()
    since = memory.since or now
    if memory.again.number == memory.newest.number == last:
        connection.execute(beat_heart(SOURCE, at=since))
        memory = replace(memory, again=Mark(), since=None)
    elif memory.again.number:
        memory = replace(memory, since=since)
    writing = write_verified(
        memory.newest.head,
        memory.newest.actions,
        again=memory.again.head,
        again_actions=memory.again.actions,
        again_since=memory.since,
        mended=mended,
    )
    connection.execute(writing)
