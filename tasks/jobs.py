"""Looks at the log taken by several processes, where that is quicker: each in a snapshot of its own."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from sqlalchemy import Engine

from models.errors import Unavailable
from tasks.chain import snapshot
from tasks.children import end_with_parent
from tasks.examine import Span, examine

__all__ = ["Submit", "in_turn", "workers"]

AHEAD = 4  # ranges that wait for each job, so that none of them is idle

Look = Callable[..., Span]
Submit = Callable[..., Callable[[], Span]]


def in_turn(submit: Submit, ranges: Iterable[tuple[int, int]], jobs: int) -> Iterator[Span]:
    """Have the ranges examined, each job a few ahead: a forged last number makes them more than can be listed."""
    ahead: deque[Callable[[], Span]] = deque()
    for first, last in ranges:
        ahead.append(submit(examine, first, last))
        if len(ahead) > AHEAD * jobs:
            yield ahead.popleft()()
    while ahead:
        yield ahead.popleft()()


@contextmanager
def workers(engine: Engine, connecting: Callable[[], Engine], jobs: int) -> Iterator[Submit]:
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
