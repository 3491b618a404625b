"""Verify the whole log against its chain: range by range, in several processes where that helps."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context

from sqlalchemy import Connection, Engine

from models.errors import Unavailable
from models.proof import GENESIS, Head
from tasks.chain import entries, head_at, receipts_of, snapshot
from tasks.children import end_with_parent
from tasks.rules.integrity import Break, BreakKind, actions_break, head_break, receipt_break
from tasks.statements.proof import (
    may_beat,
    select_ends,
    select_followers,
    select_heads,
    select_receipts,
    select_stray,
    select_unnumbered,
)
from tasks.statements.sweeps import beat_heart
from tasks.transaction import transaction

__all__ = ["SOURCE", "Span", "Verification", "verify", "verify_within"]

SOURCE = "verify"
RANGE_ACTIONS = 50_000
MOST_RANGE_RECEIPTS = 10_000
AHEAD = 4  # ranges that wait for each job, so that none of them is idle
ACTIONS_WORTH_A_PROCESS = 500_000  # starting one takes as long as verifying a tenth of that

Progress = Callable[["Span", int], None]
Look = Callable[..., "Span"]
Submit = Callable[..., Callable[[], "Span"]]


@dataclass(frozen=True, slots=True)
class Span:
    """What was found in a range of receipts: how many were in order, and the first break."""

    receipts: int = 0
    actions: int = 0
    broken: Break | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in the log.

    Attributes:
        receipts: that are as they were written, up to the break.
        actions: in them.
        head: the chain's end when the verification began; None where the log names none.
        broken: the break at the lowest place in the chain; None where there is none.
    """

    receipts: int
    actions: int
    head: Head | None
    broken: Break | None


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the log says of itself as a whole: its head, how far the receipts go, and what is wrong with that."""

    head: Head | None
    actions: int
    last: int
    breaks: tuple[Break, ...]


def verify(
    connecting: Callable[[], Engine],
    *,
    jobs: int | None = None,
    known: Sequence[Head] = (),
    progress: Progress = lambda _span, _receipts: None,
) -> Verification:
    """Verify every receipt, action and link there is, and write down when it was found whole.

    Each range of receipts is read in a snapshot of its own. Receipts appended meanwhile are left to the next time.

    Args:
        connecting: opens the database; it can be pickled when there are several jobs, and its engine is not pooled.
        jobs: processes to share the work, besides the database; None for one a core where they gain what they cost.
        known: heads from elsewhere that the chain must contain.
        progress: told after each range what was found in it, and how many receipts there are in all.

    Raises:
        Unavailable: the database did not answer, or one of the processes was ended.
    """
    engine = connecting()
    with snapshot(engine) as connection:
        ends = _look(connection, known)
    chosen = jobs or min(os.cpu_count() or 1, 1 + ends.actions // ACTIONS_WORTH_A_PROCESS)
    with _workers(engine, connecting, min(chosen, ceil(ends.last / _length(ends)))) as submit:
        found = _gathered(ends, _in_turn(submit, _ranges(ends), chosen), submit(_find_stray), progress)
    if found.broken is None:
        _write_down(engine)
    return found


def verify_within(connection: Connection, *, known: Sequence[Head] = ()) -> Verification:
    """Verify everything as one transaction sees it."""
    ends = _look(connection, known)
    spans = (_examine(connection, first, last) for first, last in _ranges(ends))
    return _gathered(ends, spans, lambda: _find_stray(connection), lambda _span, _receipts: None)


def _gathered(ends: _Ends, spans: Iterable[Span], stray: Callable[[], Span], progress: Progress) -> Verification:
    """Put together what the ranges, in order, and the looks at the whole have found, up to the first break."""
    receipts = actions = 0
    breaks = list(ends.breaks)
    for span in spans:
        receipts, actions = receipts + span.receipts, actions + span.actions
        progress(span, ends.last)
        if span.broken is not None:
            breaks.insert(0, span.broken)  # it says more than what the look at the whole says of the same place
            break
    if not breaks:
        if actions != ends.actions:
            detail = f"the chain's head counts {ends.actions:,} actions, its receipts {actions:,}"
            breaks.append(Break(BreakKind.CHANGED, ends.last, None, detail))
        elif (found := stray().broken) is not None:
            breaks.append(found)
    first = min(breaks, key=lambda each: each.place, default=None)
    return Verification(receipts, actions, ends.head, first)


def _examine(connection: Connection, first: int, last: int) -> Span:
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
    return Span(before.number - first + 1, actions, broken)


def _find_stray(connection: Connection) -> Span:
    found = connection.execute(select_stray()).one_or_none()
    if found is None:
        return Span()
    detail = f"it names the receipt with id {found.receipt_id}, which is not there"
    return Span(broken=Break(BreakKind.INSERTED, None, found.id, detail))


def _look(connection: Connection, known: Sequence[Head]) -> _Ends:
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
        return _Ends(None, 0, max(high, 0), tuple(breaks))
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
    return _Ends(Head(number, digest), actions, max(min(number, high), 0), tuple(breaks))


def _ranges(ends: _Ends) -> Iterator[tuple[int, int]]:
    """Cut the chain into ranges of about equal work."""
    length = _length(ends)
    for first in range(1, ends.last + 1, length):
        yield first, min(first + length - 1, ends.last)


def _length(ends: _Ends) -> int:
    """Return of how many receipts a range consists."""
    actions_each = max(ends.actions // max(ends.last, 1), 1)
    return min(max(RANGE_ACTIONS // actions_each, 1), MOST_RANGE_RECEIPTS)


def _in_turn(submit: Submit, ranges: Iterable[tuple[int, int]], jobs: int) -> Iterator[Span]:
    """Have the ranges examined, each job a few ahead: a forged last number makes them more than can be listed."""
    ahead: deque[Callable[[], Span]] = deque()
    for first, last in ranges:
        ahead.append(submit(_examine, first, last))
        if len(ahead) > AHEAD * jobs:
            yield ahead.popleft()()
    while ahead:
        yield ahead.popleft()()


def _write_down(engine: Engine) -> None:
    with transaction(engine) as connection:
        if connection.scalar(may_beat()):
            connection.execute(beat_heart(SOURCE))


@contextmanager
def _workers(engine: Engine, connecting: Callable[[], Engine], jobs: int) -> Iterator[Submit]:
    """Give a way to have a look at the log taken, each in a snapshot of its own: here, or by other processes.

    By processes and not by threads, because most of the work is Python's: threads would take turns.
    """
    if jobs <= 1:
        yield lambda look, *arguments: lambda: _in_snapshot(engine, look, *arguments)
        return
    # Spawned, not forked: a fork would inherit the threads and connections of whoever calls.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(connecting,))
    try:
        yield lambda look, *arguments: pool.submit(_in_process, look, *arguments).result
    except BrokenProcessPool:
        raise Unavailable("a process of the verification was ended from outside; run it again") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _in_snapshot(engine: Engine, look: Look, *arguments: int) -> Span:
    with snapshot(engine) as connection:
        return look(connection, *arguments)


# What a process of the pool works with, opened as it starts: an engine crosses no process.
_opened: list[Engine] = []


def _begin(connecting: Callable[[], Engine]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us will end us
    _opened.append(connecting())


def _in_process(look: Look, *arguments: int) -> Span:
    return _in_snapshot(_opened[0], look, *arguments)
