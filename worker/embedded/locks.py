"""Locks on files, which the kernel drops when their last holder dies, however it dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["exclusive", "give_up", "share", "try_alone"]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` alone while the block runs; waits for whoever has it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            give_up(file)


def share(path: Path) -> IO[bytes]:
    """Return `path` opened and held together with others, until it is given up or this process ends."""
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def give_up(file: IO[bytes]) -> None:
    """End a hold, also for children that were forked meanwhile: closing alone would leave it to them."""
    fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def try_alone(path: Path) -> IO[bytes] | None:
    """Return `path` opened and held alone, or None where somebody else holds it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
