"""`python -m worker.alive`: whether worker or beat are at work, for probes; imports only the standard library."""

import os
import sys
import time
from pathlib import Path

STALE_SECONDS = 60


def main() -> int:
    """Return 0 where the file named by RETENTION_ALIVE_FILE is fresh, 1 where it is not, 4 where none is named."""
    name = os.environ.get("RETENTION_ALIVE_FILE", "").strip()
    if not name:
        return _say("RETENTION_ALIVE_FILE is not set; give the probe the same value as the process", 4)
    try:
        age = time.time() - Path(name).stat().st_mtime
    except OSError as error:
        return _say(f"{name}: {error.strerror}; the process has not started, or has another RETENTION_ALIVE_FILE", 1)
    if age > STALE_SECONDS:
        return _say(f"{name} was last touched {age:,.0f} s ago; the process is stopped or stuck", 1)
    return 0


def _say(what: str, code: int) -> int:
    print(f"retention: {what}", file=sys.stderr)  # noqa: T201 - it speaks to whoever probes
    return code


if __name__ == "__main__":
    sys.exit(main())
