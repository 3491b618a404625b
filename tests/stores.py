"""Object stores that misbehave as real ones do; all of them keep their files in a directory."""

import os
import signal
import threading
from collections import Counter
from itertools import count
from pathlib import Path
from typing import ClassVar

from fsspec.implementations.local import LocalFileSystem

__all__ = ["DeadlyStore", "FlakyStore", "SilentStore"]


class FlakyStore(LocalFileSystem):
    """Fails every second call, now before and now after the file is gone, with an error that quotes the key."""

    protocol = "flaky"
    calls = count()
    erased: ClassVar[Counter[str]] = Counter()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("flaky://"))

    def rm_file(self, path):
        number = next(self.calls)
        if number % 4 == 1:
            raise PermissionError(f"denied: {path}")
        super().rm_file(path)
        self.erased[path] += 1
        if number % 4 == 3:
            raise ConnectionResetError(f"lost the answer about {path}")


class DeadlyStore(LocalFileSystem):
    """Kills the first process that erases a file, right after it did."""

    protocol = "deadly"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("deadly://"))

    def rm_file(self, path):
        super().rm_file(path)
        mark = Path(path.partition("/documents")[0], "killed")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class SilentStore(LocalFileSystem):
    """Answers no request to erase a file before it is told to."""

    protocol = "silent"
    answers = threading.Event()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("silent://"))

    def rm_file(self, path):
        self.answers.wait()
        super().rm_file(path)
