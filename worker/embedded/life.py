"""The life of an embedded server: it inherits a lock, and it lives as long as that lock is held.

That is exact where process ids are not: the lock also covers children which outlive a killed server and still
hold its memory, and the making of its data by a process that lost its starter; and no other process can be
taken for it. The server is in a session of its own and holds nothing else of its starter.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

from models.errors import Unavailable
from worker.embedded.locks import try_alone

__all__ = ["Server", "environment", "start", "stop"]

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.02


class Server(Protocol):
    """What is particular to one server."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def data(self) -> Path:
        """Where its data are; its log and its lock lie beside."""

    def answers(self) -> bool:
        """Say whether it serves; one that is still starting does not. Quick, and forks nothing."""

    def prepare(self, lock: int) -> Sequence[str]:
        """Make its data if there are none, by programs that inherit `lock`, and return the command to start it."""

    def ask_to_stop(self) -> None:
        """Make it stop cleanly, without waiting; does nothing where it does not run."""


def start(server: Server) -> None:
    """Start a server unless it answers; the caller makes sure that nobody else does so meanwhile.

    Raises:
        InvalidConfiguration: it is not installed, or cannot run as this user.
        Unavailable: it does not answer within half a minute.
    """
    gives_up = monotonic() + PATIENCE_SECONDS
    while not server.answers():
        if lock := try_alone(_lock(server)):
            with lock:
                _detach(server, server.prepare(lock.fileno()), lock.fileno())
            return _wait_until_it_answers(server)
        # It is alive: somebody's start was broken off, or the last children of a killed one are still at work.
        _look_again(server, gives_up)
    return None


def stop(server: Server) -> None:
    """Stop a server if it runs, and wait until nothing of it is left.

    Raises:
        Unavailable: it still runs after half a minute; whoever starts it next waits for its end.
    """
    gives_up = monotonic() + PATIENCE_SECONDS
    while not _is_gone(server):
        server.ask_to_stop()  # again and again: one whose start was broken off may not listen yet
        if monotonic() > gives_up:
            raise Unavailable(f"the embedded {server.name} does not stop; see {_log(server)}")
        sleep(LOOK_SECONDS)


def environment() -> dict[str, str]:
    """Return the environment for a server: ours, without what would make PostgreSQL look elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _lock(server: Server) -> Path:
    return server.data.with_name(f"{server.data.name}.lock")


def _log(server: Server) -> Path:
    return server.data.with_name(f"{server.data.name}.log")


def _is_gone(server: Server) -> bool:
    lock = try_alone(_lock(server))
    if lock:
        lock.close()
    return lock is not None


def _detach(server: Server, command: Sequence[str], lock: int) -> None:
    with _log(server).open("ab") as log:
        # The shell hands the server over to init, so that a killed one never stays behind as our zombie.
        subprocess.run(  # noqa: S603 - the programs of our own wheels
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=server.data,
            env=environment(),
            pass_fds=[lock],
            start_new_session=True,
            check=True,
        )


def _wait_until_it_answers(server: Server) -> None:
    gives_up = monotonic() + PATIENCE_SECONDS
    while not server.answers():
        if _is_gone(server):
            raise Unavailable(
                f"the embedded {server.name} ended while it started; mend what its log says: {_log(server)}"
            )
        _look_again(server, gives_up)


def _look_again(server: Server, gives_up: float) -> None:
    if monotonic() > gives_up:
        raise Unavailable(
            f"the embedded {server.name} is not up after {PATIENCE_SECONDS} s and may still be at it; "
            f"try again, or see its log: {_log(server)}"
        )
    sleep(LOOK_SECONDS)
