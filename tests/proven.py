"""A small log with its proof, as certificate and as export, written with no database; and exports made others."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

from fuzzing import altered, as_json, damaged, meaning
from hypothesis import strategies as st

from models.proof import GENESIS, Head, chained, merkle_root, microseconds
from tasks.rules.certificate import Certificate
from tasks.rules.records import ActionRecord, ReceiptRecord
from tasks.rules.segments import Segment, entry_line, head_line, header_line

__all__ = ["a_chain", "certified", "lay_out", "said", "tampered", "write_export"]

Entry = tuple[ReceiptRecord, list[ActionRecord]]
BEGAN = datetime(2026, 4, 1, tzinfo=UTC)


def an_action(number: int, receipt: int) -> ActionRecord:
    event, due, acted = (microseconds(BEGAN + timedelta(days=days, minutes=number)) for days in (-1850, -1, 0))
    action = ActionRecord(number, "purge", 1000 + number, event, due, acted, 1, receipt, b"")
    return action._replace(digest=action.recomputed())


def a_chain(*sizes: int) -> list[Entry]:
    """Return receipts with so many actions each."""
    chain: list[Entry] = []
    before = Head(0, GENESIS)
    for number, size in enumerate(sizes, 1):
        actions = [an_action(10 * number + each, 100 + number) for each in range(size)]
        root = merkle_root([each.digest for each in actions])
        rows = {"accounts": size, "messages": 7 * size}
        fields = (100 + number, number, 1, "purge", size, rows, actions[-1].acted_at, root, None, before.digest, b"")
        receipt = ReceiptRecord(*fields)
        receipt = receipt._replace(digest=chained(before.digest, number, receipt.body()))
        chain.append((receipt, actions))
        before = Head(number, receipt.digest)
    return chain


def certified(chain: list[Entry], number: int, action: int) -> Certificate:
    """Return the certificate of one action of receipt `number`, up to the chain's end."""
    receipt, actions = chain[number - 1]
    links = [each.body() for each, _ in chain[number:]]
    last = chain[-1][0]
    return Certificate.over(actions[action].id, receipt, actions, links, Head(last.number, last.digest))


def write_export(chain: list[Entry], directory: Path, *, receipts: int) -> Head:
    """Write segments of so many receipts; returns the head."""
    directory.mkdir(exist_ok=True)
    follows = Head(0, GENESIS)
    for number, first in enumerate(range(0, len(chain), receipts), 1):
        entries = chain[first : first + receipts]
        last = entries[-1][0]
        segment = Segment(number, first + 1, last.number, last.digest)
        lines = [header_line(number, follows), *(entry_line(*entry) for entry in entries), head_line(segment.head)]
        (directory / segment.name).write_bytes(b"".join(lines))
        follows = segment.head
    return follows


@contextmanager
def lay_out(files: Mapping[str, bytes], place: Path) -> Iterator[Path]:
    """Write files into a directory of their own, for a while."""
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    yield place
    rmtree(place)


def said(files: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str | None]:
    """Return what the lines of an export mean, of those files of it that have the names of what it was."""
    contents = [content for name, content in sorted(files.items()) if name in was]
    # What comes after the last line break is no line, and means nothing.
    return [meaning(line) for content in contents for line in (*content.split(b"\n")[:-1], *_rest(content))]


def _rest(content: bytes) -> list[bytes]:
    return [] if content.endswith(b"\n") else [b""]


@st.composite
def tampered(draw, files):
    """Draw the files of an export with one thing done to them: to a file, a line's JSON, a name, or their number."""
    files = dict(files)
    name = draw(st.sampled_from(sorted(files)))
    match draw(st.sampled_from(["bytes", "line", "name", "gone", "twin", "other"])):
        case "bytes":
            files[name] = draw(damaged(files[name]))
        case "line":
            lines = files[name].splitlines()
            number = draw(st.integers(0, len(lines) - 1))
            lines[number] = as_json(draw(altered(json.loads(lines[number]))))
            files[name] = b"".join(line + b"\n" for line in lines)
        case "name":
            files[draw(named_like(name))] = files.pop(name)
        case "gone":
            del files[name]
        case "twin":
            files[draw(named_like(name))] = files[name]
        case "other":
            files[draw(st.sampled_from(["notes.txt", "000009.jsonl", "x.part", "0-0-0.jsonl"]))] = files[name]
    return files


def named_like(name):
    number, first, last, digest = name.removesuffix(".jsonl").split("-")
    changes = [
        (f"0{number}", first, last, digest),
        (number, f"0{first}", last, digest),
        (number, first, f"0{last}", digest),
        ("000009", first, last, digest),
        (number, "0" * 12, last, digest),
        (number, first, "9" * 18, digest),
        (number, last, first, digest),
        (number, first, last, "0" * 64),
        (number, first, last, digest.upper()),
        ("٠٠٠٠٠١", first, last, digest),
    ]
    return st.sampled_from(["-".join(change) + ".jsonl" for change in changes])
