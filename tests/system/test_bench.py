"""The benchmark in short: all of it is measured. No duration is judged; `make bench` is an hour."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
# Against SQL, ORMs, sizes, an application alone, partitions, a second process.
COMPARED = 28


@pytest.mark.timeout(900)
def test_a_small_run_measures_all_that_is_compared_and_leaves_no_report():
    results = CHECKOUT / "benchmarks" / "results"
    before = {path: path.stat().st_mtime for path in results.iterdir()}
    command = [sys.executable, "-m", "benchmarks", "--smoke"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, _, told = done.stdout.partition("| compared | ratio | this | to that |\n|---|---|---|---|\n")
    compared, _, figures = told.partition("\n\n| figure | rounds |\n|---|---|\n")
    assert len(compared.splitlines()) == COMPARED
    assert figures
    assert {path: path.stat().st_mtime for path in results.iterdir()} == before
