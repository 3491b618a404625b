"""Real servers from wheels, for a checkout without configured ones: shared by its processes, stopped by the last.

Who still uses them is counted by the kernel: each process holds a shared lock on one file, which a SIGKILL
drops too. Who can turn it into an exclusive lock at its end was the last. Starting and stopping exclude each
other by a second lock, so a newcomer either finds the servers running, and stays counted, or starts them.
"""

import atexit
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from worker.embedded import postgresql, valkey
from worker.embedded.directories import Directories
from worker.embedded.locks import exclusive, share, sole

__all__ = ["Servers", "ensure", "release"]


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs of what was asked for; None where it was not."""

    database_url: str | None
    broker_url: str | None


@dataclass(slots=True)
class _Use:
    """This process's use of the servers under one var directory."""

    directories: Directories
    counted: IO[bytes]
    process: int


_uses: dict[Path, _Use] = {}


def ensure(var: Path, *, database: bool, broker: bool) -> Servers:
    """Start what is asked for and not yet running, on the data under `var`, and keep it while this process lives.

    Cheap when all is up, so that it may be called again and again to revive a server that was killed.

    Raises:
        InvalidConfiguration: a wheel is not installed, or `var` belongs to somebody else.
        Unavailable: a server does not start.
    """
    if not (database or broker):
        return Servers(None, None)
    directories = _use(var.resolve()).directories
    if not ((not database or postgresql.answers(directories)) and (not broker or valkey.answers(directories))):
        with exclusive(directories.data / "start.lock"):
            if database:
                postgresql.start(directories)
            if broker:
                valkey.start(directories)
    return Servers(postgresql.url(directories) if database else None, valkey.url(directories) if broker else None)


def release() -> None:
    """End this process's use; stops the servers that nobody else uses."""
    for var, use in list(_uses.items()):
        del _uses[var]
        if use.process != os.getpid():  # inherited over a fork: the parent's use, and the parent's to end
            continue
        with exclusive(use.directories.data / "start.lock"):
            if sole(use.counted):
                valkey.stop(use.directories)
                postgresql.stop(use.directories)
            use.counted.close()


def _use(var: Path) -> _Use:
    use = _uses.get(var)
    if use is None or use.process != os.getpid():
        if not _uses:
            atexit.register(release)
        directories = Directories.of(var)
        with exclusive(directories.data / "start.lock"):
            use = _Use(directories, share(directories.data / "users.lock"), os.getpid())
        _uses[var] = use
    return use
