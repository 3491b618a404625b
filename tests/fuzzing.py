"""How much is fuzzed, and what somebody may give in place of what is asked for: texts, bytes and JSON, altered."""

import json
import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

__all__ = ["TIMES", "altered", "as_json", "damaged", "examples", "meaning", "places", "signs", "texts", "values"]

# So many times the examples of the gate: `make fuzz` sets it.
TIMES = int(os.environ.get("TEST_FUZZ_TIMES", "1"))


def examples(number: int, *, shrinking: bool = True) -> settings:
    """Return how a fuzz test is run: by so many examples in the gate.

    What is found is not made small where each example takes a process.
    """
    return settings(
        max_examples=number * TIMES,
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if shrinking else [])],
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


# What a variable or an argument may hold: anything but NUL, and bytes that are no text, as Python hands them on.
signs = st.characters(exclude_characters="\x00", exclude_categories=("Cs",))
ODD = [
    "\udcff",
    "\u2028",
    "\x1b[31m",
    "\r\n",
    "\x85",
    "😀",
    "１２",
    "٣",
    "é",
    "\ufeff",
    "\u202e",
    "[red]",
    "%s",
    "'; --",
]
texts = st.one_of(
    st.text(signs, max_size=40),
    st.lists(st.sampled_from(ODD) | st.text(signs, max_size=3), max_size=4).map("".join),
    st.tuples(st.sampled_from(["9", "a", "é", "😀", " "]), st.integers(50, 6000)).map(lambda pair: pair[0] * pair[1]),
)

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["json", "base64", "2031-01-01T00:00:00+00:00", "", 2**63, -(10**400), 10**4000, 1e308]),
        st.just(1).map(lambda inner: [[[[[[[[inner]]]]]]]]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


def places(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where in a JSON document there is anything: the whole, each member, each item."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [path, *(place for name, value in inner for place in places(value, (*path, name)))]


@st.composite
def altered(draw: st.DrawFn, document: Any) -> Any:
    """Draw a JSON document in which some parts are others, gone, doubled, or those of another place."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(document)))
        if not place:
            return draw(values)
        part = document
        for name in place[:-1]:
            part = part[name]
        match draw(st.sampled_from(["another", "gone", "added", "swapped"])):
            case "another":
                part[place[-1]] = draw(values)
            case "gone":
                del part[place[-1]]
            case "added" if isinstance(part, list):
                part.insert(place[-1], draw(values | st.just(part[place[-1]])))
            case "added":
                part[draw(st.text(max_size=8))] = draw(values)
            case "swapped":
                other = draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
                part[place[-1]], part[other] = part[other], part[place[-1]]
    return document


def _piece(draw: st.DrawFn, content: bytes) -> tuple[bytes, bytes, bytes]:
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    return content[:first], content[first:last], content[last:]


def _line(draw: st.DrawFn, content: bytes) -> tuple[bytes, bytes, bytes]:
    lines = content.splitlines(keepends=True) or [b""]
    number = draw(st.integers(0, len(lines) - 1))
    return b"".join(lines[:number]), lines[number], b"".join(lines[number + 1 :])


INSERTED = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b'"\\ud800"', b"NaN", b"-Infinity", b"1e400", b"\r", b"\n"]
    ),
    st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b" " * 1_000_000, b"\xe2\x80\xa8", b"-0", b"{}"]
    ),
)
# What is done to a piece or a line of it; each returns what then stands there.
DAMAGES: list[tuple[Callable[..., tuple[bytes, bytes, bytes]], Callable[..., bytes]]] = [
    (_piece, lambda _, __: b""),
    (_piece, lambda _, piece: piece * 2),
    (_piece, lambda draw, piece: draw(INSERTED) + piece),
    (_piece, lambda draw, piece: draw(st.binary(min_size=1, max_size=1)) + piece[1:]),
    (_line, lambda _, __: b""),
    (_line, lambda _, line: line * 2),
    (_line, lambda draw, line: draw(INSERTED) + line),
]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes like these, with up to three damages."""
    for _ in range(draw(st.integers(1, 3))):
        find, change = draw(st.sampled_from(DAMAGES))
        before, piece, after = find(draw, content)
        content = before + change(draw, piece) + after
    return content


def meaning(content: bytes) -> str | None:
    """Return what a JSON text means, in one spelling; None where it means nothing, or not one thing."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return json.dumps(json.loads(content.decode(), object_pairs_hook=members), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def as_json(document: Any) -> bytes:
    """Return a document as JSON."""
    return json.dumps(document).encode(errors="surrogatepass")
