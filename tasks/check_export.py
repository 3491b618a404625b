"""Verify a whole export with no database: every digest and link, and that what a restore gave up was repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import Unverified
from models.proof import GENESIS, Head
from tasks.exported import ReadSegment, read_segments

__all__ = ["CheckedExport", "check_export"]


@dataclass(frozen=True, slots=True)
class CheckedExport:
    """What was found in an export.

    Attributes:
        receipts: in the chain it ends with; those that a restore gave up are not counted.
        actions: in these.
        head: that it ends with.
        segments: how many files.
        restores: how often a segment goes on from an earlier receipt than the one before it ends with.
        held: those of the known heads that it contains; about the others, which come later, it says nothing.
    """

    receipts: int
    actions: int
    head: Head
    segments: int
    restores: int
    held: tuple[Head, ...]


def check_export(url: str, known: Sequence[Head] = ()) -> CheckedExport:
    """Verify every segment of an export, in as much memory as its largest receipt, and what was given up, take.

    Raises:
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the place did not answer.
        Unverified: it is not as it was written, or differs from a known head; the message says where.
    """
    walk = _Walk(known)
    for read in read_segments(url):
        walk.take(read)
    return walk.end()


class _Walk:
    """What has to be remembered of the segments before."""

    def __init__(self, known: Sequence[Head]) -> None:
        self._known = {head for head in known if head.number}
        self._held: set[Head] = set()
        self._head = Head(0, GENESIS)
        self._segments = self._restores = self._actions = self._latest = 0
        # By number: the digests of all receipts that a later segment may follow.
        self._followed: dict[int, bytes] = {0: GENESIS}
        # By digest: the numbers of all receipts that a later one still has to repeat.
        self._given_up: dict[bytes, int] = {}

    def take(self, read: ReadSegment) -> None:
        """Verify one more segment."""
        if self._followed.get(read.follows.number) != read.follows.digest:
            raise Unverified(f"{read.segment.name} follows {read.follows}, which no segment before it contains")
        self._segments += 1
        self._restores += read.follows != self._head
        for receipt, actions in read.entries:
            head = Head(receipt.number, receipt.digest)
            if head in self._known:
                self._held.add(head)
            if receipt.replays is not None:
                self._given_up.pop(receipt.replays, None)
            if receipt.number >= read.counts_to:
                self._followed[receipt.number] = receipt.digest
            if receipt.number > read.counts_to:
                self._given_up[receipt.digest] = receipt.number
            else:
                self._actions += len(actions)
        self._head = read.segment.head
        self._latest = max(self._latest, read.segment.last)

    def end(self) -> CheckedExport:
        """Look at what concerns all segments."""
        if self._given_up:
            number = min(self._given_up.values())
            raise Unverified(f"receipt {number} was given up by a restore, and no later receipt repeats it")
        for head in sorted(self._known - self._held):
            if head.number <= self._latest:
                raise Unverified(f"receipt {head.number} is not the one that is known as {head}")
        held = tuple(sorted(self._held))
        return CheckedExport(self._head.number, self._actions, self._head, self._segments, self._restores, held)
