"""Doing something again and again in a thread, while something else goes on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

__all__ = ["meanwhile"]


@contextmanager
def meanwhile(act: Callable[[], object], *, every: float) -> Iterator[None]:
    """Do something each so many seconds while the block runs; what it raises is raised when the block ends."""
    over = Event()

    def again_and_again() -> None:
        while not over.wait(every):
            act()

    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(again_and_again)
        try:
            yield
        finally:
            over.set()
        doing.result()
