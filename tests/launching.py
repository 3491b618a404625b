"""Processes of ours, forked from one that has the program imported already: to import it takes most of a second.

How the program begins from nothing is seen by the tests of `up`, of the documents' commands, and of the images.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

__all__ = ["Forked", "Streams", "launch"]

COMMANDS = [f"worker.cli.{found.name}" for found in iter_modules(find_spec("worker.cli").submodule_search_locations)]
# Not `worker.daemons`: what it shares with the processes of a worker would be shared by all workers.
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload([*COMMANDS, "worker.app", "worker.web.server", "celery.bin.celery"])

# An interpreter reads these once, when it starts.
READ_AT_START = ("PYTHONPATH", "LD_PRELOAD")


class Streams(NamedTuple):
    """Files in place of the standard streams; all are there, and what is written is appended."""

    given: Path
    out: Path
    err: Path


class Forked:
    """A process that was forked for us, handled as `subprocess.Popen` is."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def launch(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    streams: Streams,
    within: Path | None = None,
) -> Forked | subprocess.Popen[bytes]:
    """Start `python -m module`, in a session of its own, and in a directory: this process's unless it is named."""
    if any(environment.get(name) != os.environ.get(name) for name in READ_AT_START):
        with streams.given.open("rb") as given, streams.out.open("ab") as out, streams.err.open("ab") as err:
            command = [sys.executable, "-m", module, *arguments]
            return subprocess.Popen(
                command, env=environment, stdin=given, stdout=out, stderr=err, start_new_session=True, cwd=within
            )
    process = FORKING.Process(target=_run, args=(module, tuple(arguments), dict(environment), streams, within))
    process.start()
    return Forked(process)


def _run(
    module: str, arguments: tuple[str, ...], environment: dict[str, str], streams: Streams, within: Path | None
) -> None:
    """Become what a new interpreter would be."""
    os.setsid()
    if within is not None:
        os.chdir(within)
    appending = os.O_WRONLY | os.O_APPEND
    for number, (path, how) in enumerate(zip(streams, (os.O_RDONLY, appending, appending), strict=True)):
        opened = os.open(path, how)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # multiprocessing has closed the one there was
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
