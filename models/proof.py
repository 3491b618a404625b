"""Proof: the canonical form of actions and receipts, the Merkle tree over a batch, the chain of receipts.

All of it is pure, so that whoever holds an exported log or a certificate can check it without a database.

    digest of an action   = SHA-256 of its canonical text
    root of a receipt     = Merkle tree hash of its actions' digests, in the order of their ids
    body of a receipt     = SHA-256 of its canonical text, which names the root
    digest of a receipt   = SHA-256 of (digest of the receipt before, its number, its body)

Source of the tree: RFC 9162, section 2.1 (leaves and nodes are told apart by a first byte).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

__all__ = [
    "ACTION_FORM",
    "EPOCH",
    "GENESIS",
    "Head",
    "action_digest",
    "chained",
    "hashed",
    "merkle_path",
    "merkle_root",
    "microseconds",
    "receipt_body",
    "root_by_path",
]

ACTION_FORM = "retention.action.v1"
RECEIPT_FORM = "retention.receipt.v1"
GENESIS = bytes(32)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})")


class Head(NamedTuple):
    """The end of a chain: how many receipts, and the digest of the last; it stands for all before it."""

    number: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read a head from `NUMBER:DIGEST`, as `str` writes it.

        Raises:
            ValueError: it is not one.
        """
        found = HEAD.fullmatch(text.strip())
        if found is None:
            # Not quoted: it may be of any length, and from a file that somebody altered.
            raise ValueError("a head NUMBER:DIGEST was expected")
        return cls(int(found[1]), bytes.fromhex(found[2]))


def microseconds(instant: datetime | int) -> int:
    """Return an aware instant as whole microseconds since 1970, exactly; what is so already stays."""
    return instant if isinstance(instant, int) else (instant - EPOCH) // timedelta(microseconds=1)


def action_digest(action: Mapping[str, Any]) -> bytes:
    """Return the digest of one action, given by its columns; `tasks.statements.log` computes the same in the database.

    Needs id, action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id; instants are aware.
    """
    instants = (microseconds(action[name]) for name in ("event_at", "due_at", "acted_at"))
    numbers = (action["sweep_id"], action["receipt_id"])
    return hashed(ACTION_FORM, action["id"], action["action"], action["account_id"], *instants, *numbers)


def receipt_body(receipt: Mapping[str, Any]) -> bytes:
    """Return the digest of all that a receipt says, given by its columns, but for its place in the chain.

    Needs id, sweep_id, action, accounts, rows (a count by table), acted_at (aware), root, replays (may be None).
    """
    rows, replays = receipt["rows"], receipt["replays"]
    return hashed(
        RECEIPT_FORM,
        *(receipt[name] for name in ("id", "sweep_id", "action", "accounts")),
        ",".join(f"{table}={rows[table]}" for table in sorted(rows)),
        microseconds(receipt["acted_at"]),
        receipt["root"].hex(),
        "" if replays is None else replays.hex(),
    )


def hashed(*fields: object) -> bytes:
    """Return the SHA-256 of the fields' texts, joined by bars: the canonical text of whatever is digested here."""
    return sha256("|".join(map(str, fields)).encode()).digest()


def chained(previous: bytes, number: int, body: bytes) -> bytes:
    """Return the digest of receipt `number`, which binds it to all before it."""
    return sha256(previous + number.to_bytes(8) + body).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over at least one leaf."""
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def merkle_path(leaves: Sequence[bytes], index: int) -> list[tuple[str, bytes]]:
    """Return what leads from leaf `index` to the root: pairs (side the neighbour stands on, its hash)."""
    level, path = [_leaf(leaf) for leaf in leaves], []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(("left" if neighbour < index else "right", level[neighbour]))
        level, index = _level_above(level), index // 2
    return path


def root_by_path(leaf: bytes, path: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the root to which a leaf and its path lead."""
    node = _leaf(leaf)
    for side, neighbour in path:
        node = _node(neighbour, node) if side == "left" else _node(node, neighbour)
    return node


def _level_above(level: list[bytes]) -> list[bytes]:
    above = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return above + level[-1:] if len(level) % 2 else above


def _leaf(digest: bytes) -> bytes:
    return sha256(b"\0" + digest).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()
