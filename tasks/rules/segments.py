"""Segments of an exported log: their names, their lines, and which of them count after a restore.

A segment is one file of JSON Lines: a header, one line for each receipt with its actions, the head. Its name carries
its number, its first and last receipt and the last one's digest, so that a listing alone tells the exported head.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from models.errors import Unverified
from models.proof import Head
from tasks.rules.records import ActionRecord, ReceiptRecord, array_of, fields_of, head_of, integer_of, without_doubles

__all__ = ["Segment", "entry_line", "head_line", "header_line", "listed", "read_header", "read_line"]

FORM = "retention.export.v1"
NAME = re.compile(r"(\d{6,9})-(\d{12,18})-(\d{12,18})-([0-9a-f]{64})\.jsonl", re.ASCII)


class Segment(NamedTuple):
    """One file of an export, as its name says.

    Attributes:
        number: running, from 1.
        first: number of its first receipt.
        last: number of its last receipt.
        digest: of its last receipt.
    """

    number: int
    first: int
    last: int
    digest: bytes

    @property
    def name(self) -> str:
        """The file's name; names sort as their segments do."""
        return f"{self.number:06}-{self.first:012}-{self.last:012}-{self.digest.hex()}.jsonl"

    @property
    def head(self) -> Head:
        """The head of the chain that it ends with."""
        return Head(self.last, self.digest)


def listed(names: Iterable[str]) -> list[Segment]:
    """Return the segments among a directory's files, in order; other files are none of an export's business.

    Raises:
        Unverified: one is missing, or two have one number.
    """
    found = sorted(_segments(names))
    for number, segment in enumerate(found, 1):
        if segment.number < number:
            twins = f"{found[number - 2].name} and {segment.name}"
            raise Unverified(f"two segments have one number: {twins}; keep the one whose head the database has")
        if segment.number > number:
            raise Unverified(f"segment {number} of the export is missing; the next is {segment.name}")
        if segment.first > (found[number - 2].last if number > 1 else 0) + 1 or segment.first > segment.last:
            raise Unverified(f"there are receipts missing before {segment.name}")
    return found


def _segments(names: Iterable[str]) -> Iterator[Segment]:
    for name in names:
        if found := NAME.fullmatch(name):
            segment = Segment(int(found[1]), int(found[2]), int(found[3]), bytes.fromhex(found[4]))
            if segment.name == name:  # and not spelled with more zeros
                yield segment


def header_line(number: int, follows: Head) -> bytes:
    """Return a segment's first line: its form and number, and the receipt that its first one follows."""
    return _line({"format": FORM, "segment": number, "follows": str(follows)})


def entry_line(receipt: ReceiptRecord, actions: Sequence[ActionRecord]) -> bytes:
    """Return the line of one receipt with its actions."""
    return _line({"receipt": receipt.as_json(), "actions": [action.as_json() for action in actions]})


def head_line(head: Head) -> bytes:
    """Return a segment's last line."""
    return _line({"head": str(head)})


def read_header(line: bytes, segment: Segment) -> Head:
    """Return the receipt that a segment follows.

    Raises:
        ValueError: the line is no header, or not that of this segment.
    """
    found = fields_of(_value(line), ("format", "segment", "follows"))
    follows = head_of(found["follows"])
    if (found["format"], found["segment"], follows.number) != (FORM, segment.number, segment.first - 1):
        raise ValueError(f"the header of segment {segment.number} of form {FORM} was expected")
    return follows


def read_line(line: bytes) -> tuple[ReceiptRecord, list[ActionRecord]] | Head:
    """Return what a line after the header holds: a receipt with its actions, or the head, which is the last.

    Raises:
        ValueError: the line is none of a segment's.
    """
    value = _value(line)
    if isinstance(value, dict) and value.keys() == {"head"}:
        return head_of(value["head"])
    found = fields_of(value, ("receipt", "actions"))
    actions = [ActionRecord.of_json(action) for action in array_of(found["actions"])]
    return ReceiptRecord.of_json(found["receipt"]), actions


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _value(line: bytes) -> Any:
    if not line.endswith(b"\n"):
        raise ValueError("the line is not whole")
    return json.loads(line.decode(), object_pairs_hook=without_doubles, parse_int=integer_of)
