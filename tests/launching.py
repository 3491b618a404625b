"""Commands of ours in processes of their own, forked from one that has the program imported already.

To import it takes longer than most commands do. How a command begins from nothing is seen where workers, beats,
servers and `up` are started, which are started as anybody would.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

__all__ = ["launch"]

COMMANDS = [f"worker.cli.{found.name}" for found in iter_modules(find_spec("worker.cli").submodule_search_locations)]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload([*COMMANDS, "worker.app", "worker.web.server", "kombu.transport.redis"])

# An interpreter reads these once, when it starts.
READ_AT_START = ("PYTHONPATH", "LD_PRELOAD")

Streams = tuple[Path, Path, Path]


def launch(arguments: Sequence[str], environment: Mapping[str, str], streams: Streams, patience: float) -> int:
    """Run `python -m worker` with its standard streams in files; returns its exit code, negative for a signal.

    Raises:
        subprocess.TimeoutExpired: it took longer than `patience`, in seconds, and was killed.
    """
    if any(environment.get(name) != os.environ.get(name) for name in READ_AT_START):
        return _launch_anew(arguments, environment, streams, patience)
    process = FORKING.Process(target=_run, args=(tuple(arguments), dict(environment), tuple(map(str, streams))))
    process.start()
    process.join(patience)
    if process.is_alive():
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(list(arguments), patience)
    assert process.exitcode is not None
    return process.exitcode


def _launch_anew(arguments: Sequence[str], environment: Mapping[str, str], streams: Streams, patience: float) -> int:
    command = [sys.executable, "-m", "worker", *arguments]
    with streams[0].open() as given, streams[1].open("w") as out, streams[2].open("w") as err:
        done = subprocess.run(
            command, env=environment, stdin=given, stdout=out, stderr=err, timeout=patience, check=False
        )
    return done.returncode


def _run(arguments: tuple[str, ...], environment: dict[str, str], streams: tuple[str, str, str]) -> None:
    for number, (path, how) in enumerate(zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(path, how), number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - multiprocessing has closed the one there was
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["retention", *arguments]
    runpy.run_module("worker", run_name="__main__", alter_sys=True)
