"""What the processes logged as an error while no fault was there to cause it."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.strikes import Strike

__all__ = ["errors", "last_error"]


def last_error(log: Path) -> str:
    """Return what a process has told last as an error, as its reason to end, and from where."""
    _, what, trace = max(_lines(log), default=(0.0, "it told no error", []))
    return " < ".join([what, *reversed(trace[-3:])])


def errors(directory: Path, struck: "list[Strike]", began: float) -> Counter[str]:
    """Count errors by event and kind, but for what was not available; a line that is no JSON of ours is one, too.

    Args:
        directory: of the logs.
        struck: the faults, which explain what is logged while they last and shortly after.
        began: the soak's beginning, in seconds since 1970.
    """
    found: Counter[str] = Counter()
    for log in directory.glob("*.log"):
        for at, what, _ in _lines(log):
            if not any(strike.covers(at - began) for strike in struck):
                found[f"{log.stem.rstrip('0123456789')}: {what}"] += 1
    return found


def _lines(log: Path) -> Iterator[tuple[float, str, list[str]]]:
    """Read errors: when each was told, what, and the places that it came by."""
    with log.open() as lines:
        at = 0.0
        for line in lines:
            try:
                told = json.loads(line)
                at = datetime.fromisoformat(told["timestamp"]).timestamp()
            except (ValueError, TypeError, KeyError):
                yield at, f"a line that is none of ours: {line[:60]!r}", []
            else:
                # What was not available is tried again, as where there is too much to do; for how long, lateness tells.
                error = str(told.get("error", ""))
                if told["level"] in ("error", "critical") and not error.startswith("Unavailable:"):
                    yield at, f"{told['event'][:80]} {error}".strip(), told.get("trace", [])
