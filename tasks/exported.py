"""Reading an exported log back, receipt by receipt, each held against the one before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from models.errors import Unverified
from models.proof import Head
from tasks.chain import Entry
from tasks.directory import Directory
from tasks.rules.integrity import actions_break, receipt_break
from tasks.rules.segments import Segment, listed, read_header, read_line

__all__ = ["ReadSegment", "exported_head", "exported_receipts", "read_segments"]


@dataclass(frozen=True, slots=True)
class ReadSegment:
    """One segment of an export.

    Attributes:
        segment: what its name says.
        counts_to: number of its last receipt that counts; those after it were given up by a restore, after which
            a later segment follows an earlier receipt.
        follows: the receipt that its first one follows.
        entries: its receipts with their actions, read and verified one after the other; to be taken once.
    """

    segment: Segment
    counts_to: int
    follows: Head
    entries: Iterator[Entry]


def exported_head(url: str) -> Head | None:
    """Return the newest head of an export, by listing it alone; None where nothing was exported.

    Raises:
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the place did not answer.
        Unverified: a segment is missing, or there are two of one number.
    """
    segments = listed(Directory(url).names())
    return segments[-1].head if segments else None


def read_segments(url: str, *, newest_first: bool = False) -> Iterator[ReadSegment]:
    """Read an export segment by segment; what was begun to be read is to be read before the next is asked for.

    Raises:
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the place did not answer.
        Unverified: it is not as it was written; also raised while entries are taken.
    """
    directory = Directory(url)
    counting = _counting(listed(directory.names()))
    for segment, counts_to in reversed(counting) if newest_first else counting:
        lines = directory.lines(segment.name)
        with _naming(directory, segment):
            follows = read_header(next(lines, b""), segment)
        yield ReadSegment(segment, counts_to, follows, _entries(directory, segment, follows, lines))


def exported_receipts(url: str, *, after: int = 0) -> Iterator[Entry]:
    """Read the receipts that count, with their actions, in the order of the chain, from number `after + 1` on.

    Raises:
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the place did not answer.
        Unverified: the export is not as it was written.
    """
    for read in read_segments(url):
        if read.counts_to > after:
            yield from (entry for entry in read.entries if after < entry[0].number <= read.counts_to)


def _counting(segments: Sequence[Segment]) -> list[tuple[Segment, int]]:
    """Return each segment with the number of its last receipt that no later segment goes back behind."""
    counting: list[tuple[Segment, int]] = []
    end = segments[-1].last if segments else 0
    for segment in reversed(segments):
        counting.append((segment, min(segment.last, end)))
        end = min(end, segment.first - 1)
    return counting[::-1]


def _entries(directory: Directory, segment: Segment, follows: Head, lines: Iterator[bytes]) -> Iterator[Entry]:
    before, end = follows, None
    for line in lines:
        with _naming(directory, segment):
            if end is not None:
                raise ValueError("there is a line after the head")
            read = read_line(line)
        if isinstance(read, Head):
            end = read
            continue
        receipt, actions = read
        broken = receipt_break(receipt, before) or actions_break(receipt, actions)
        if broken is not None:
            raise Unverified(f"{directory.url}/{segment.name} is {broken}")
        yield receipt, actions
        before = Head(receipt.number, receipt.digest)
    if not end == before == segment.head:
        raise Unverified(f"{directory.url}/{segment.name} ends with {before}, and not with the head it names")


@contextmanager
def _naming(directory: Directory, segment: Segment) -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise Unverified(f"{directory.url}/{segment.name} is not as it was written: {error}") from None
