"""Receipts and actions as plain values, and their JSON: what the database, an export and a certificate have in common.

Reading is strict: each value has one JSON form, the one written here, so that nothing can differ unnoticed.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from models.proof import ACTION_FORM, EPOCH, GENESIS, Head, hashed, microseconds, receipt_body

__all__ = [
    "ActionRecord",
    "ReceiptRecord",
    "array_of",
    "digest_of",
    "fields_of",
    "head_of",
    "integer_of",
    "without_doubles",
]

FIRST, LAST = (
    microseconds(instant) for instant in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)
KINDS = ("counter_only", "purge")
DIGEST = re.compile(r"[0-9a-f]{64}")
TABLE = re.compile(r"[a-z][a-z0-9_]*")
BIGINT = 2**63


class ActionRecord(NamedTuple):
    """One action, by the columns of `actions`; instants are microseconds since 1970."""

    id: int
    action: str
    account_id: int
    event_at: int
    due_at: int
    acted_at: int
    sweep_id: int
    receipt_id: int
    digest: bytes

    def recomputed(self) -> bytes:
        """Return the digest that the other fields lead to."""
        return hashed(ACTION_FORM, *self[:-1])

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return _written(self._asdict())

    @classmethod
    def of_json(cls, value: object) -> "ActionRecord":
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is anything else.
        """
        return cls(**_read(value, cls._fields))


class ReceiptRecord(NamedTuple):
    """One receipt, by the columns of `receipts`; the instant is microseconds since 1970."""

    id: int
    number: int
    sweep_id: int
    action: str
    accounts: int
    rows: dict[str, int]
    acted_at: int
    root: bytes
    replays: bytes | None
    previous: bytes
    digest: bytes

    def is_well_formed(self) -> bool:
        """Return whether each value is of its kind, so that no two receipts share one canonical text."""
        whole = (self.id, self.number, self.sweep_id, self.accounts, self.acted_at)
        digests = (self.root, self.previous, self.digest)
        return (
            self.action in KINDS
            and all(isinstance(value, int) for value in whole)
            and self.accounts > 0
            and all(isinstance(value, bytes) for value in digests)
            and (self.replays is None or len(self.replays) == len(GENESIS))
            and _are_rows(self.rows)
        )

    def body(self) -> bytes:
        """Return the digest of all it says but its place in the chain; it has to be well-formed."""
        return receipt_body(self._asdict())

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return _written(self._asdict())

    @classmethod
    def of_json(cls, value: object) -> "ReceiptRecord":
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is anything else.
        """
        receipt = cls(**_read(value, cls._fields))
        if receipt.number < 1 or not receipt.is_well_formed():
            raise ValueError("a receipt with a number and accounts of 1 or more was expected")
        return receipt


def fields_of(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Return a JSON object that has these names and no others.

    Raises:
        ValueError: it is none.
    """
    if not (isinstance(value, dict) and value.keys() == set(names)):
        raise ValueError(f"an object of {', '.join(names)} was expected")
    return value


def digest_of(value: object) -> bytes:
    """Return a digest written in hexadecimal.

    Raises:
        ValueError: it is none.
    """
    if not (isinstance(value, str) and DIGEST.fullmatch(value)):
        raise ValueError("a digest of 64 hexadecimal signs was expected")
    return bytes.fromhex(value)


def head_of(value: object) -> Head:
    """Return a head written as NUMBER:DIGEST.

    Raises:
        ValueError: it is none.
    """
    if not (isinstance(value, str) and str(head := Head.parse(value)) == value):
        raise ValueError("a head NUMBER:DIGEST was expected")
    return head


def array_of(value: object) -> list[Any]:
    """Return a JSON array.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, list):
        return value
    raise ValueError("an array was expected")


def integer_of(text: str) -> int:
    """Return a number of JSON that is spelled as it is written here: `-0` is none.

    Raises:
        ValueError: it is spelled otherwise.
    """
    number = int(text)
    if str(number) != text:
        raise ValueError("a whole number was expected")
    return number


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object, each name of which stands there once.

    Raises:
        ValueError: one stands there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _instant_of(value: object) -> int:
    try:
        found = microseconds(datetime.fromisoformat(str(value)))
    except (ValueError, TypeError) as error:
        raise ValueError("an instant such as 2026-12-01T00:00:00.000000+00:00 was expected") from error
    if _rfc3339(found) != value:
        raise ValueError("an instant in UTC with microseconds was expected")
    return found


def _rfc3339(instant: int) -> str:
    if not FIRST <= instant <= LAST:
        raise ValueError("an instant lies in no year that is written with four digits")
    return (EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds")


def _whole(value: object) -> int:
    if not (type(value) is int and -BIGINT <= value < BIGINT):
        raise ValueError("a whole number was expected")
    return value


def _kind(value: object) -> str:
    if value not in KINDS:
        raise ValueError(f"one of {', '.join(KINDS)} was expected")
    return str(value)


def _rows(value: object) -> dict[str, int]:
    if not _are_rows(value):
        raise ValueError("numbers of rows by table were expected")
    return value  # type: ignore[return-value] # it was looked at


def _are_rows(value: object) -> bool:
    return isinstance(value, dict) and all(
        TABLE.fullmatch(table) and type(count) is int and count >= 0 for table, count in value.items()
    )


READ: Mapping[str, Callable[[object], Any]] = {
    "action": _kind,
    "rows": _rows,
    **dict.fromkeys(("event_at", "due_at", "acted_at"), _instant_of),
    **dict.fromkeys(("root", "previous", "digest"), digest_of),
    "replays": lambda value: None if value is None else digest_of(value),
}


def _read(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    found = fields_of(value, names)
    return {name: READ.get(name, _whole)(found[name]) for name in names}


def _written(fields: dict[str, Any]) -> dict[str, Any]:
    instants = {name: _rfc3339(value) for name, value in fields.items() if name.endswith("_at")}
    return fields | instants | {name: value.hex() for name, value in fields.items() if isinstance(value, bytes)}
