"""A real Prometheus; without one on the machine these tests are left out, and the last lines of the run say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitored import program
from watching import Watch, Watching

collect_ignore_glob = [] if program("promtool") and program("prometheus") else ["test_*.py"]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Start Prometheus with our rules on a server; it ends with the test."""
    started: list[Watching] = []

    def start(url: str) -> Watching:
        started.append(Watching(url, tmp_path / f"prometheus{len(started)}"))
        return started[-1]

    yield start
    for each in started:
        each.stop()
