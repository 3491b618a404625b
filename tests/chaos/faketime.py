"""Debian's libfaketime, by which a server has another clock than the machine; where the machine has it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["LEFT_OUT", "clock_of", "library", "now", "step"]

CHECKOUT = Path(__file__).parents[2]
# Where `fetch-libfaketime.sh` puts Debian's package, which needs no root.
FETCHED = CHECKOUT / "var" / "faketime"
LEFT_OUT = (
    "LEFT OUT: every fault that steps the database's clock, for there is no libfaketime here. "
    "Run tests/chaos/fetch-libfaketime.sh, or install it (Debian: apt install faketime)."
)


def library() -> Path | None:
    """Return the library's path: installed, else fetched, else None."""
    found = [file for root in (Path("/"), FETCHED) for file in root.glob("usr/lib/*/faketime/libfaketimeMT.so.1")]
    return found[0] if found else None


@contextmanager
def clock_of(file: Path) -> Iterator[None]:
    """Let what is started in the block have the clock that a file says."""
    changes = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        # Each look at the clock reads the file, so that a step is one for all sessions at once.
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def step(file: Path, by: timedelta) -> None:
    """Say in a file how far a clock is off, at once for whoever reads it."""
    written = file.with_suffix(".new")
    written.write_text(f"{by.total_seconds():+.0f}s\n")
    written.chmod(0o644)
    written.replace(file)


def now() -> datetime:
    """Return the machine's own time."""
    return datetime.now(UTC)
