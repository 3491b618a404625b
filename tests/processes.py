"""Real processes of ours for the tests: the command line, workers, beats; each ended by its own id."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from launching import Forked, Streams, launch

__all__ = ["Result", "Stack", "until"]

PATIENCE_SECONDS = 120

Process = Forked | subprocess.Popen[bytes]


class Result:
    """What a command of ours printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document it must be."""
        return json.loads(self.out)


class Stack:
    """A deployment in processes: `retention …`, workers and beats on one database and one broker."""

    def __init__(self, database_url: str, broker_url: str, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.processes: list[Process] = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RETENTION_")}
        self.environment = clean | settings
        self.environment["RETENTION_DATABASE_URL"] = database_url
        self.environment["RETENTION_BROKER_URL"] = broker_url

    def retention(
        self,
        *arguments: str,
        check: bool = False,
        given: str | None = None,
        patience: float = PATIENCE_SECONDS,
        within: Path | None = None,
        **changes: str | None,
    ) -> Result:
        """Run `retention`; with `check` it must succeed. `changes` alter its environment, None unsets.

        `given` is what standard input holds; without it there is none. `within` is the directory it is started in.
        """
        environment = {k: v for k, v in (self.environment | changes).items() if v is not None}
        with TemporaryDirectory(dir=self.directory) as directory:
            streams = Streams(*(Path(directory, name) for name in ("given", "out", "err")))
            for path, content in zip(streams, (given or "", "", ""), strict=True):
                path.write_text(content)
            process = launch("worker", arguments, environment, streams, within)
            try:
                code = process.wait(patience)
            finally:
                process.kill()
            result = Result(code, streams.out.read_text(), streams.err.read_text())
        assert not check or result.code == 0, result.err
        return result

    def start(self, module: str, *arguments: str, log: str, **changes: str) -> Process:
        """Start a process of ours in a session of its own, which writes to its log alone."""
        written = self.directory / f"{log}.log"
        written.touch()
        process = launch(module, arguments, self.environment | changes, Streams(Path(os.devnull), written, written))
        self.processes.append(process)
        return process

    def worker(self, name: str = "worker", concurrency: int = 3, **changes: str) -> Process:
        """Start a Celery worker and wait until it answers."""
        arguments = ("celery", "-A", "worker", "worker", f"--concurrency={concurrency}", f"--hostname={name}@%h")
        process = self.start(*arguments, log=name, **changes)
        until(lambda: b"ready." in (self.directory / f"{name}.log").read_bytes(), f"{name} is ready")
        return process

    def beat(self, name: str = "beat", **changes: str) -> Process:
        """Start a beat."""
        return self.start("celery", "-A", "worker", "beat", log=name, **changes)

    def log(self, name: str) -> list[dict[str, Any]]:
        """Return what a process has logged, each line as the one JSON object that it must be."""
        written = (self.directory / f"{name}.log").read_text()
        return [json.loads(line) for line in written.splitlines(keepends=True) if line.endswith("\n")]

    def run(self, policy: str) -> list[dict[str, Any]]:
        """Trigger sweeps by hand and wait for their end."""
        reason = ("--actor", "test", "--reason", "test")
        run = self.retention("run", policy, "--wait", *reason, "--json", check=True, patience=7200)
        return run.json["sweeps"]

    def stop(self) -> None:
        """End everything that was started here and is still there."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition and return what it gave; fail, naming it, when it does not come about."""
    gives_up = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < gives_up, f"this did not come about: {what}"
        time.sleep(0.05)
    return result
