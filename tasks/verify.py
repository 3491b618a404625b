"""Verify the log against its chain, range by range: all of it, or what is new and a part of the rest."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from models.proof import Head
from tasks.chain import snapshot
from tasks.examine import Ends, Span, find_stray, look
from tasks.jobs import Submit, in_turn, workers
from tasks.rules.integrity import Break, BreakKind
from tasks.statements.verified import may_remember, write_broken
from tasks.transaction import transaction
from tasks.verified import SOURCE, Mark, Memory, recall, remember

__all__ = ["SOURCE", "Span", "Verification", "verify", "verify_within"]

RANGE_ACTIONS = 50_000
MOST_RANGE_RECEIPTS = 10_000
ACTIONS_WORTH_A_PROCESS = 500_000  # starting one takes as long as verifying a tenth of that

Progress = Callable[[Span, int], None]
Stray = Callable[[Mark, Mark | None], Break | None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in the log.

    Attributes:
        receipts: that were looked at and are as they were written, up to the break.
        actions: in them.
        head: the chain's end when the verification began; None where the log names none.
        broken: the break at the lowest place in the chain, of what was looked at; None where there is none.
        after: the receipt after which all was looked at, for what is before was verified earlier; None: nothing is.
        reached: the last receipt that was looked at; None where there was none, or there is a break.
    """

    receipts: int
    actions: int
    head: Head | None
    broken: Break | None
    after: Head | None = None
    reached: Head | None = None


class _Walked(NamedTuple):
    """How far one came, what was in order on the way, and the break that ended it."""

    mark: Mark
    receipts: int = 0
    actions: int = 0
    broken: Break | None = None


def verify(
    connecting: Callable[[], Engine],
    *,
    again: int | None = None,
    enough: Callable[[], bool] = lambda: False,
    jobs: int | None = None,
    known: Sequence[Head] = (),
    progress: Progress = lambda _span, _receipts: None,
) -> Verification:
    """Verify the log, and write down how far it was found in order.

    Each range of receipts is read in a snapshot of its own. Receipts appended meanwhile are left to the next time.

    Args:
        connecting: opens the database; it can be pickled when there are several jobs, and its engine is not pooled.
        again: None to look at everything. Else at what is new since the last time, and at about so many actions that
            are not, from where the last time left off; at everything where there are no more.
        enough: asked after each range of what is new; once it says so, the rest is left to the next time.
        jobs: processes to share the work, besides the database; None for one a core where they gain what they cost.
        known: heads from elsewhere that the chain must contain.
        progress: told after each range what was found in it, and how many receipts are looked at in all.

    Raises:
        Unavailable: the database did not answer, or one of the processes was ended.
    """
    engine = connecting()
    with snapshot(engine) as connection:
        memory, remembers = recall(connection), connection.execute(may_remember()).scalar_one()
        ends = look(connection, (*known, *memory.heads))
    if again is None or not remembers or ends.actions <= again:
        again, before = 0, Memory()
    else:
        before = memory
    length = _length(ends)
    second_to = min(before.again.number + ceil(again * length / RANGE_ACTIONS), before.newest.number)
    looked_at = ends.last - before.newest.number + max(second_to - before.again.number, 0)
    chosen = jobs or min(os.cpu_count() or 1, 1 + (ends.actions - before.newest.actions) // ACTIONS_WORTH_A_PROCESS)
    with workers(engine, connecting, min(chosen, ceil(looked_at / length))) as submit:
        walker = _Walker(submit, chosen, length, lambda span: progress(span, looked_at))
        second = walker.walk(before.again, second_to)
        new = walker.walk(before.newest, ends.last, enough) if second.broken is None else _Walked(before.newest)
        found = _found(ends, before, second, new, walker.stray)
    if remembers:
        with transaction(engine) as connection:
            if found.broken is not None:
                connection.execute(write_broken(str(found.broken)))
            else:
                whole = before == Memory() and new.mark.number == ends.last
                remember(connection, before.advanced(second.mark, new.mark), last=ends.last, mended=whole)
    return found


def verify_within(connection: Connection, *, known: Sequence[Head] = ()) -> Verification:
    """Verify everything as one transaction sees it, and write nothing down."""
    ends, nothing = look(connection, known), Memory()
    walker = _Walker(lambda see, *how: lambda: see(connection, *how), 1, _length(ends), lambda _span: None)
    return _found(ends, nothing, _Walked(nothing.again), walker.walk(nothing.newest, ends.last), walker.stray)


@dataclass(frozen=True, slots=True)
class _Walker:
    """Walks along the chain: how looks are taken, how many at a time, at how many receipts each, and who is told."""

    submit: Submit
    jobs: int
    length: int
    tell: Callable[[Span], None]

    def walk(self, start: Mark, last: int, enough: Callable[[], bool] = lambda: False) -> _Walked:
        """Verify the receipts after `start` up to number `last`, inclusive, or until it is enough or one is broken."""
        walked = _Walked(start)
        for span in in_turn(self.submit, self._ranges(start.number + 1, last), self.jobs):
            self.tell(span)
            receipts, actions = walked.receipts + span.receipts, walked.actions + span.actions
            if span.broken is not None or span.reached is None:
                return _Walked(walked.mark, receipts, actions, span.broken)
            walked = _Walked(Mark(span.reached, walked.mark.actions + span.actions), receipts, actions)
            if enough():
                break
        return walked

    def stray(self, after: Mark, to: Mark | None) -> Break | None:
        """Look for an action without a receipt in a part of the chain; without `to`, up to the end and beyond."""
        return self.submit(find_stray, after.number, None if to is None else to.number)().broken

    def _ranges(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        for begin in range(first, last + 1, self.length):
            yield begin, min(begin + self.length - 1, last)


def _found(ends: Ends, before: Memory, second: _Walked, new: _Walked, stray: Stray) -> Verification:
    """Put together what was found on the way, and in looks at the whole, up to the first break."""
    # What was found on the way comes first: it says more than what the look at the whole says of the same place.
    breaks = [each.broken for each in (second, new) if each.broken is not None] + list(ends.breaks)
    is_at_end = new.mark.number == ends.last
    if not breaks:
        counted = {"the chain's head": (ends.actions, new.mark)} if is_at_end else {}
        if second.mark.number == before.newest.number:
            counted["the last verification"] = (before.newest.actions, second.mark)
        for whose, (actions, mark) in counted.items():
            if actions != mark.actions:
                detail = f"{whose} counts {actions:,} actions, the receipts up to there {mark.actions:,}"
                breaks.append(Break(BreakKind.CHANGED, mark.number, None, detail))
    if not breaks:
        strays = (
            stray(before.again, second.mark) if second.receipts else None,
            stray(before.newest, None if is_at_end else new.mark),
        )
        breaks = [each for each in strays if each is not None]
    return Verification(
        receipts=second.receipts + new.receipts,
        actions=second.actions + new.actions,
        head=ends.head,
        broken=min(breaks, key=lambda each: each.place, default=None),
        after=before.newest.head if before.newest.number else None,
        reached=None if breaks else new.mark.head,
    )


def _length(ends: Ends) -> int:
    """Return of how many receipts a range consists, so that all are about equal work."""
    actions_each = max(ends.actions // max(ends.last, 1), 1)
    return min(max(RANGE_ACTIONS // actions_each, 1), MOST_RANGE_RECEIPTS)
