"""Is the log as it was written? Receipt by receipt, action by action; what is found first is named and told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.proof import Head, chained, merkle_root
from tasks.rules.records import ActionRecord, ReceiptRecord

__all__ = ["Break", "BreakKind", "actions_break", "head_break", "is_next", "receipt_break"]

# So many receipts removed in a row, with the later ones renumbered, are still recognised as missing.
MOST_RENUMBERED = 1000


class BreakKind(StrEnum):
    """What a difference looks like."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which the log is not as it was written.

    Attributes:
        receipt: number in the chain; None where it has no place in it.
        action: id of the action, where one can be named.
        detail: what was found there, in words; holds numbers and digests only.
    """

    kind: BreakKind
    receipt: int | None
    action: int | None
    detail: str

    def __str__(self) -> str:
        where = [f"receipt {self.receipt}"] if self.receipt is not None else []
        where += [f"action {self.action}"] if self.action is not None else []
        return f"{self.kind} at {', '.join(where) or 'no place in the chain'}: {self.detail}"

    @property
    def place(self) -> float:
        """Its place in the chain; what has none comes last."""
        return float("inf") if self.receipt is None else self.receipt


def is_next(receipt: ReceiptRecord, before: Head) -> bool:
    """Return whether a receipt is the one that was chained to `before`, whatever number it has now."""
    return receipt.previous == before.digest and _belongs(receipt, before.number + 1)


def receipt_break(receipt: ReceiptRecord | None, before: Head, elsewhere: Sequence[ReceiptRecord] = ()) -> Break | None:
    """Return what is wrong with the receipt found where `before` ends, but for its actions; None where nothing is.

    Args:
        receipt: the next in the order of numbers; None where there is none.
        before: the receipt before, which is as it should be.
        elsewhere: receipts that name `before` as the one before them; they tell what became of the true one.
    """
    place = before.number + 1
    if receipt is not None and receipt.number == place and is_next(receipt, before):
        return None
    moved = next((each for each in elsewhere if each.number != place and is_next(each, before)), None)
    if receipt is None or receipt.number > place:
        return _absent(place, moved)
    if receipt.number < place:
        return _broken(BreakKind.INSERTED, receipt.number, "there is more than one receipt of this number")
    return _out_of_place(receipt, before, moved)


def _absent(place: int, moved: ReceiptRecord | None) -> Break:
    if moved is None:
        return _broken(BreakKind.MISSING, place, "there is no receipt of this number")
    return _broken(BreakKind.REORDERED, place, f"the receipt that belongs here has number {moved.number}")


def _out_of_place(receipt: ReceiptRecord, before: Head, moved: ReceiptRecord | None) -> Break:
    place = before.number + 1
    if moved is not None:
        if _belongs(receipt, moved.number):
            return _broken(BreakKind.REORDERED, place, f"it has changed places with receipt {moved.number}")
        return _broken(BreakKind.INSERTED, place, f"the receipt that belongs here has number {moved.number}")
    for later in range(place + 1, place + MOST_RENUMBERED + 1):
        if _belongs(receipt, later):
            return _broken(BreakKind.MISSING, place, f"the receipt that stands here was number {later}")
    if _belongs(receipt, place):
        detail = f"it follows {receipt.previous.hex()}, but receipt {before.number} is {before.digest.hex()}"
        return _broken(BreakKind.CHANGED, place, detail)
    return _broken(BreakKind.CHANGED, place, "what it says does not lead to its digest")


def actions_break(receipt: ReceiptRecord, actions: Sequence[ActionRecord]) -> Break | None:
    """Return what is wrong with the actions of a receipt that is itself as it should be; None where nothing is.

    Args:
        receipt: says how many there are, and the root over them.
        actions: those that name it, in the order of their ids; one too many is enough.
    """
    recomputed = [each.recomputed() for each in actions]
    doubtful = [each for each, digest in zip(actions, recomputed, strict=True) if not _fits(each, receipt, digest)]
    first = doubtful[0].id if doubtful else None
    count = f"{receipt.accounts:,} {'action is' if receipt.accounts == 1 else 'actions are'} in it by its own word"
    if len(actions) < receipt.accounts:
        return Break(BreakKind.MISSING, receipt.number, first, f"{count}, {len(actions):,} can be found")
    if len(actions) > receipt.accounts:
        return Break(BreakKind.INSERTED, receipt.number, first, f"{count}, more can be found")
    if doubtful:
        if _is_exchanged(doubtful[0], actions, recomputed):
            return Break(BreakKind.REORDERED, receipt.number, first, "it has changed places with another action")
        return Break(BreakKind.CHANGED, receipt.number, first, "what it says does not lead to its digest")
    if merkle_root(recomputed) != receipt.root:
        detail = "its actions, each in itself as it should be, do not lead to its root"
        return Break(BreakKind.CHANGED, receipt.number, None, detail)
    return None


def head_break(expected: Head, found: Head | None, *, last: int) -> Break | None:
    """Return how a chain differs from a head that is known from elsewhere; None where it contains it.

    Args:
        expected: the known head.
        found: the receipt of that number with its digest; None where there is none.
        last: number of the chain's last receipt.
    """
    if expected == found:
        return None
    if found is None:
        detail = f"the chain ends with receipt {last}, but was known to have {expected}"
        return _broken(BreakKind.TRUNCATED, last + 1, detail)
    detail = (
        f"its digest is {found.digest.hex()}, but was known as {expected.digest.hex()}: it, or one before, is another"
    )
    return _broken(BreakKind.CHANGED, expected.number, detail)


def _belongs(receipt: ReceiptRecord, place: int) -> bool:
    """Return whether a receipt was written as number `place`, after the receipt that it names."""
    return receipt.is_well_formed() and chained(receipt.previous, place, receipt.body()) == receipt.digest


def _fits(action: ActionRecord, receipt: ReceiptRecord, recomputed: bytes) -> bool:
    same = (action.action, action.sweep_id, action.receipt_id) == (receipt.action, receipt.sweep_id, receipt.id)
    return same and action.digest == recomputed


def _is_exchanged(doubtful: ActionRecord, actions: Sequence[ActionRecord], recomputed: Sequence[bytes]) -> bool:
    """Return whether its digest is that of another action of the receipt, or its own under another's id."""
    return doubtful.digest in recomputed or any(
        doubtful._replace(id=other.id).recomputed() == doubtful.digest for other in actions if other is not doubtful
    )


def _broken(kind: BreakKind, receipt: int, detail: str) -> Break:
    return Break(kind, receipt, None, detail)
