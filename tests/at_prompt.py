"""Commands typed here and now, in the test's own process: for those that need no server, many times as fast."""

import signal
import sys
from collections.abc import Callable

import pytest
from processes import Result

from worker.cli import main

__all__ = ["Typed", "typing"]

Typed = Callable[..., Result]
ENDING = (signal.SIGTERM, signal.SIGHUP)


def typing(capture: pytest.CaptureFixture[str]) -> Typed:
    """Return what runs one line, and tells what a process would have: its code, and what it said."""

    def typed(*line: str) -> Result:
        before = {number: signal.getsignal(number) for number in ENDING}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["retention", *line])
            with pytest.raises(SystemExit) as ended:
                main()
        for number, handler in before.items():
            signal.signal(number, handler)
        said = capture.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return typed
