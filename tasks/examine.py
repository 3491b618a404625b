"""Looking at a part of the log, in one snapshot: at a range of receipts, at what belongs to none, at the ends."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection

from models.proof import GENESIS, Head
from tasks.chain import entries, head_at, receipts, receipts_of
from tasks.rules.integrity import Break, BreakKind, actions_break, head_break, receipt_break
from tasks.statements.proof import (
    select_ends,
    select_followers,
    select_heads,
    select_receipts,
    select_stray,
    select_unnumbered,
)

__all__ = ["Ends", "Span", "examine", "find_stray", "look"]


@dataclass(frozen=True, slots=True)
class Span:
    """What was found in a range of receipts.

    Attributes:
        receipts: that are in order, up to the break.
        actions: in them.
        broken: the first break; None where there is none.
        reached: the last receipt that is in order; None where none was looked at.
    """

    receipts: int = 0
    actions: int = 0
    broken: Break | None = None
    reached: Head | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """What the log says of itself as a whole: its head, how far the receipts go, and what is wrong with that."""

    head: Head | None
    actions: int
    last: int
    breaks: tuple[Break, ...]


def examine(connection: Connection, first: int, last: int) -> Span:
    """Verify the receipts numbered `first` to `last`: the first is held against the stored digest of the one before."""
    before = head_at(connection, first - 1)
    if before is None:
        return Span(broken=Break(BreakKind.MISSING, first - 1, None, "there is no receipt of this number"))
    actions = 0
    with closing(entries(connection, first, last)) as found:
        for receipt, lines in found:
            broken = receipt_break(receipt, before)
            if broken is not None:
                elsewhere = list(receipts_of(connection.execute(select_followers(before.digest))))
                return Span(before.number - first + 1, actions, receipt_break(receipt, before, elsewhere))
            broken = actions_break(receipt, lines)
            if broken is not None:
                return Span(before.number - first + 1, actions, broken)
            actions += receipt.accounts
            before = Head(receipt.number, receipt.digest)
    broken = None
    if before.number < last:
        elsewhere = list(receipts_of(connection.execute(select_followers(before.digest))))
        broken = receipt_break(None, before, elsewhere)
    return Span(before.number - first + 1, actions, broken, before)


def find_stray(connection: Connection, after: int = 0, to: int | None = None) -> Span:
    """Look for an action that names no receipt, among those whose receipt would lie in a stretch of the chain.

    Receipts do not have their ids quite in the order of their numbers; but stretches that follow one another in the
    chain leave out no id between them, and the one without an end reaches beyond all.

    Args:
        connection: sees one snapshot of the log.
        after: number of the receipt before the stretch; 0 for the beginning.
        to: number of its last; None for the end.
    """
    bounds = (None if number in (0, None) else _id_of(connection, number) for number in (after, to))
    found = connection.execute(select_stray(*bounds)).one_or_none()
    if found is None:
        return Span()
    detail = f"it names the receipt with id {found.receipt_id}, which is not there"
    return Span(broken=Break(BreakKind.INSERTED, None, found.id, detail))


def _id_of(connection: Connection, number: int | None) -> int | None:
    found = None if number is None else next(receipts(connection, number, number), None)
    return None if found is None else found.id


def look(connection: Connection, known: Iterable[Head]) -> Ends:
    """Look at the log as a whole: at its ends, at its head, and whether it has the heads that it is known to have."""
    low, high = connection.execute(select_ends()).one()
    high = high or 0
    heads = connection.execute(select_heads()).all()
    breaks = [each for head in known if (each := head_break(head, head_at(connection, head.number), last=high))]
    if low is not None and low < 1:
        breaks.append(Break(BreakKind.INSERTED, low, None, "the chain begins with receipt 1"))
    if (unnumbered := connection.scalar(select_unnumbered())) is not None:
        detail = f"the receipt with id {unnumbered} has no number"
        breaks.append(Break(BreakKind.INSERTED, None, None, detail))
    if len(heads) != 1 or None in heads[0] or not heads[0].single:
        kind = BreakKind.INSERTED if len(heads) > 1 else BreakKind.MISSING
        breaks.append(Break(kind, high + 1, None, f"the chain has {'several heads' if len(heads) > 1 else 'no head'}"))
        return Ends(None, 0, max(high, 0), tuple(breaks))
    number, actions, previous, digest, _ = heads[0]
    if number > high:
        detail = f"the chain's head is receipt {number}, but receipt {high} is the last"
        breaks.append(Break(BreakKind.TRUNCATED, high + 1, None, detail))
    elif number < high:
        detail = f"the chain's head is receipt {number}, but there is a receipt {high}"
        breaks.append(Break(BreakKind.INSERTED, number + 1, None, detail))
    else:
        last = next(receipts_of(connection.execute(select_receipts(high, high))), None) if high else None
        if (previous, digest) != ((last.previous, last.digest) if last else (GENESIS, GENESIS)):
            detail = "the chain's head does not name the digest of the last receipt and of the one before"
            breaks.append(Break(BreakKind.CHANGED, number, None, detail))
    return Ends(Head(number, digest), actions, max(min(number, high), 0), tuple(breaks))
