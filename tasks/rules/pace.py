"""Pace: how long a lane rests after a batch, so that others at work in the database hardly notice it."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BEHIND_BYTES", "GLANCES", "MOST_SECONDS", "Signs", "catches_up", "is_alone", "met", "rest", "smoothed"]

# To each other session at work belongs so many times the time that batches have taken: then so few of its transactions
# meet a batch at all that its slowest hundredth takes hardly longer.
GIVEN = 45.0
# What is written now arrives at a replica, and so at its readers, after all of this.
BEHIND_BYTES = 64 * 2**20
# A pause need not wait for a long rest; a worker that is told to stop does not wait for any.
MOST_SECONDS = 3.0
# One look is an accident; about so many looks together are a load.
LOOKS = 5
# Before a first batch there are so many. An application that does half of what its machine can do is at work in little
# more than every other look; that none of these meets it happens once in twenty thousand times.
GLANCES = 12
# Fewer at work than this, of late, are nobody: the last of somebody is forgotten after some fourteen looks.
NOBODY = 0.05


@dataclass(frozen=True, slots=True)
class Signs:
    """What a look at the database has shown.

    Attributes:
        busy: sessions of others that are at work.
        waiting: of these, how many wait for a lock.
        behind: bytes of the write-ahead log that the slowest connected replica has not got yet; 0 without one.
        forced: checkpoints asked for early, since the server counts, because much was written.
    """

    busy: int
    waiting: int
    behind: int
    forced: int

    @property
    def lags(self) -> bool:
        """Whether a replica is so far behind that its readers are to be thought of."""
        return self.behind > BEHIND_BYTES


def met(looks: Sequence[Signs]) -> float:
    """Return how many others are at work by the looks before a first batch, of which there is at least one."""
    return sum(each.busy for each in looks) / len(looks)


def smoothed(busy: float | None, signs: Signs) -> float:
    """Return how many others are at work, of late: the latest look counts for a fifth, the first one alone."""
    return signs.busy if busy is None else busy + (signs.busy - busy) / LOOKS


def is_alone(busy: float) -> bool:
    """Say whether nobody else has been at work of late, by the smoothed count."""
    return busy < NOBODY


def catches_up(signs: Signs, before: Signs) -> bool:
    """Say whether a replica lags and is to be waited for: since the look before it has come nearer.

    One that has not may never come, as where its slot was forgotten; what the law wants is not to wait for that.
    """
    return signs.lags and signs.behind < before.behind


def rest(seconds: float, *, busy: float, signs: Signs, before: Signs, most: float) -> float:
    """Return how long to rest after a batch, in seconds.

    Nobody at work: no rest. Otherwise in proportion to how many are, twice as long while checkpoints are forced; and
    the longest where somebody waits for a lock or a replica lags, whose readers are not seen here. While it catches up,
    as long as a rest may be, however short the batch was.

    Args:
        seconds: that the batch took, and those that other lanes run meanwhile.
        busy: others at work, smoothed.
        signs: as they are after the batch.
        before: as they were at the look before.
        most: longest rest, as a multiple of `seconds`; 0 is never to rest.
    """
    if most and catches_up(signs, before):
        return MOST_SECONDS
    share = GIVEN * busy * (2 if signs.forced > before.forced else 1)
    if signs.waiting or signs.lags:
        share = most
    return min(seconds * min(share, most), MOST_SECONDS)
