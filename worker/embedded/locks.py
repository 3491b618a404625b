"""Locks on files, which the kernel drops when their holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["exclusive", "share", "sole"]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` alone while the block runs; waits for whoever has it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def share(path: Path) -> IO[bytes]:
    """Return `path` opened and held together with others, until it is closed or this process ends."""
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def sole(file: IO[bytes]) -> bool:
    """Say whether nobody else holds a shared file, and hold it alone from now on if so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
