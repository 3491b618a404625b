"""Keeps a few processes running: starts them, restarts one that dies, ends them all in good order."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

__all__ = ["Supervisor"]

# A drain task is given up to this long to end its batch; what is broken off then is rolled back and done again.
STOP_SECONDS = 20
# Longer than the kernel needs for it; one that nobody has asked how it ended looks alive.
KILL_SECONDS = 2
RESTART_SECONDS = 2


class Supervisor:
    """A context in which the given commands run, each with a log file of its own.

    Usage:
        with Supervisor({"beat": [...]}, logs=var, say=print) as supervisor:
            while ...:
                supervisor.revive()
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], *, logs: Path, say: Callable[[str], None]) -> None:
        self._commands = commands
        self._logs = logs
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        try:
            for name in self._commands:
                self._start(name)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def revive(self) -> None:
        """Start again whatever has ended by itself."""
        for name, process in list(self._running.items()):
            if process.poll() is not None and monotonic() - self._started[name] > RESTART_SECONDS:
                self._say(f"{name} ended with {process.returncode} and is started again; see {self._log(name)}")
                self._start(name)

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _start(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own commands
                self._commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us alone: we tell the others, in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread of ours runs at this point
            )
        self._started[name] = monotonic()

    def _stop(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        patience = monotonic() + STOP_SECONDS
        for name, process in self._running.items():
            while process.poll() is None and monotonic() < patience:
                sleep(0.05)
            if process.poll() is None:
                self._say(f"{name} does not stop and is ended; what it was doing is rolled back")
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, and wait for all: while one of them lives, it has a part in embedded servers."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    patience = monotonic() + KILL_SECONDS
    with suppress(ProcessLookupError):
        while monotonic() < patience:
            os.killpg(process.pid, 0)
            sleep(0.02)


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, even by SIGKILL; Linux only."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
