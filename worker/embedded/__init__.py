"""Real servers from wheels, for a checkout without configured ones: shared by its processes, stopped by the last.

Who still uses them is counted by the kernel: each process holds a shared lock on one file, which a SIGKILL
drops too. Who at its end can hold that file alone was the last. Starting and stopping exclude each other by a
second lock, so a newcomer either finds the servers running, and stays counted, or starts them.
"""

import atexit
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from worker.embedded.directories import Directories, make_private
from worker.embedded.life import Server, start, stop
from worker.embedded.locks import exclusive, give_up, share, try_alone
from worker.embedded.postgresql import PostgreSQL
from worker.embedded.valkey import Valkey

__all__ = ["Servers", "ensure", "release"]


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs of what was asked for; None where it was not."""

    database_url: str | None
    broker_url: str | None


@dataclass(frozen=True, slots=True)
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
        InvalidConfiguration: a wheel is not installed, `var` belongs to somebody else, or this user cannot run it.
        Unavailable: a server does not start.
    """
    if not (database or broker):
        return Servers(None, None)
    directories = Directories.of(var)
    make_private(directories.data)
    _count_in(directories)
    # Only now, for the last one out removes it; and each time, for a socket in somebody else's must not be trusted.
    make_private(directories.sockets)
    postgresql, valkey = PostgreSQL(directories), Valkey(directories)
    wanted: list[Server] = [*([postgresql] if database else []), *([valkey] if broker else [])]
    if not all(server.answers() for server in wanted):
        with exclusive(_start_lock(directories)):
            for server in wanted:
                start(server)
    return Servers(postgresql.url if database else None, valkey.url if broker else None)


def release() -> None:
    """End this process's use; stops the servers that nobody else uses.

    Raises:
        Unavailable: a server does not stop.
    """
    for data, use in list(_uses.items()):
        del _uses[data]
        # What was inherited over a fork is the parent's use, and the parent's to end.
        if use.process == os.getpid():
            with exclusive(_start_lock(use.directories)):
                _count_out(use)


def _count_in(directories: Directories) -> None:
    use = _uses.get(directories.data)
    if use is None or use.process != os.getpid():
        with exclusive(_start_lock(directories)):
            counted = share(_users_lock(directories))
        _uses[directories.data] = _Use(directories, counted, os.getpid())


def _count_out(use: _Use) -> None:
    give_up(use.counted)
    # Asked of a file opened anew: a hold on the old one would stay with children forked meanwhile.
    if nobody_else := try_alone(_users_lock(use.directories)):
        with nobody_else:
            for server in (Valkey(use.directories), PostgreSQL(use.directories)):
                stop(server)
        with suppress(OSError):  # what a killed server left there is the next one's to replace
            use.directories.sockets.rmdir()


def _start_lock(directories: Directories) -> Path:
    return directories.data / "start.lock"


def _users_lock(directories: Directories) -> Path:
    return directories.data / "users.lock"


atexit.register(release)
