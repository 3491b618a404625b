"""Which functions are called, and how often, without standing in for any of them."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import unwrap
from types import FrameType
from typing import Any

__all__ = ["counting_calls"]


@contextmanager
def counting_calls(functions: Iterable[Callable[..., Any]]) -> Iterator[Counter[Callable[..., Any]]]:
    """Count calls of these functions meanwhile, here and in threads that are started; what is cached is no call."""
    of = {unwrap(each).__code__: each for each in functions}
    calls: Counter[Callable[..., Any]] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in of:
            calls[of[frame.f_code]] += 1

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
