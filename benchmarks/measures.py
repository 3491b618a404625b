"""What is measured: throughput side by side, by the size of batches, by processes; memory against the number due."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import psutil
from sqlalchemy import Engine, make_url, text

from benchmarks.django_orm import by_django, django_purge
from benchmarks.populations import checkpoint, cutoff_of, fill_thin, fill_whole, settle
from benchmarks.sizes import Size
from benchmarks.variants import celery_sweep, orm_purge, raw_at_once, raw_loop, running, running_worker, without_celery
from models import PolicyName
from tasks.base import RetentionApp
from worker.app import create_app
from worker.database import connect
from worker.servers import Addresses
from worker.settings import Settings

__all__ = [
    "DEFAULT",
    "ONE_LANE",
    "SIDE_BY_SIDE",
    "Bench",
    "batch_sizes",
    "drains",
    "fill_slices",
    "measure",
    "memory",
    "peak",
    "throughput",
]

DEFAULT = Settings()
# The worker as if it were one connection, and the raw loop in as many as the worker has lanes: like beside like.
ONE_LANE, SIDE_BY_SIDE = "celery, 1 lane", f"raw, {DEFAULT.drains} connections"

# Does all that is due by a cutoff; returns accounts and seconds.
Way = Callable[[datetime], tuple[int, float]]


@dataclass(slots=True)
class Bench:
    """Where a run measures, and what it says meanwhile."""

    database_url: str
    broker_url: str
    directory: Path
    say: Callable[[str], None]
    raw: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def database(self) -> Iterator[tuple[str, Engine]]:
        """Give a database of its own to a measurement: (URL, engine)."""
        name = f"bench_{uuid4().hex[:12]}"
        administration = connect(self.database_url, pooled=False).execution_options(isolation_level="AUTOCOMMIT")
        with administration.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(self.database_url).set(drivername="postgresql", database=name)
        address = url.render_as_string(hide_password=False)
        engine = connect(address)
        try:
            yield address, engine
        finally:
            engine.dispose()
            with administration.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    @contextmanager
    def worker(
        self,
        url: str,
        name: str,
        *,
        drains: int = DEFAULT.drains,
        rest_multiple: float = DEFAULT.rest_multiple,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[psutil.Process]:
        """Run a worker as it is by default, but for its ceilings and more `settings`, on the database at `url`."""
        # Every gate is asked, and lets more pass than it would by default: here most accounts are due at once.
        environment = self._addresses(url) | {
            "RETENTION_CEILING_ACCOUNTS": "1000000000",
            "RETENTION_CEILING_SHARE": "1",
            "RETENTION_DRAINS": str(drains),
            "RETENTION_REST_MULTIPLE": str(rest_multiple),
        }
        log = self.directory / f"{name}.log"
        with running_worker(environment | dict(settings), log, processes=drains + 1) as worker:
            yield psutil.Process(worker.pid)

    @contextmanager
    def beat(self, url: str, name: str) -> Iterator[None]:
        """Run a beat for a worker on that database, all through the block."""
        log = self.directory / f"{name}.log"
        with running("celery", "-A", "worker", "beat", environment=self._addresses(url), log=log) as beat:
            yield
            if beat.poll() is not None:
                raise RuntimeError(f"beat has ended; its log is {log}")

    def _addresses(self, url: str) -> dict[str, str]:
        return {"RETENTION_DATABASE_URL": url, "RETENTION_BROKER_URL": self.broker_url}

    def app(self, url: str) -> RetentionApp:
        """Return the application that messages are sent with."""
        return create_app(Settings(), Addresses(url, self.broker_url))

    def note(self, name: str, value: float) -> None:
        """Keep one raw figure."""
        self.raw.setdefault(name, []).append(value)


def throughput(bench: Bench, size: Size) -> None:
    """Purge and close slices in turns: ours with and without Celery, raw SQL in a loop and at once, and two ORMs."""
    everywhere = ("celery", SIDE_BY_SIDE, ONE_LANE, "raw", "without celery", "at once")
    purging = [(name, size.purge_slice) for name in everywhere]
    purging += [(by_django(each), max(each, size.django_slice)) for each in size.django_batches]
    purging += [("orm", size.orm_slice)]
    with bench.database() as (url, engine):
        order = _interleaved(purging, size.rounds)
        fill_slices(bench, engine, [accounts for _, accounts in order])
        _rounds(bench, url, engine, PolicyName.PURGE, size, [name for name, _ in order])
    with bench.database() as (url, engine):
        order = _interleaved([(name, size.thin_slice) for name in everywhere], size.rounds)
        due = [accounts for _, accounts in order]
        bench.say(f"making {sum(due):,} withdrawn accounts")
        fill_thin(engine, due)
        _rounds(bench, url, engine, PolicyName.COUNTER_ONLY, size, [name for name, _ in order])


def batch_sizes(bench: Bench, size: Size) -> None:
    """Purge slices in turns, in batches of different size, by the worker's own statements without Celery.

    Nobody measures the first, which brings pages into the log: where each is new, the largest batch would take longer
    than its statement may.
    """
    policies = Settings().policies
    with bench.database() as (_, engine):
        order = _interleaved([(str(each), size.batch_slice) for each in size.batches], min(size.rounds, 3))
        fill_slices(bench, engine, [size.batch_slice, *(accounts for _, accounts in order)])
        without_celery(engine, policies, PolicyName.PURGE, cutoff_of(0))
        for number, (each, _) in enumerate(order, 1):
            way = partial(without_celery, engine, policies, PolicyName.PURGE, each=int(each))
            measure(bench, engine, f"purge in batches of {int(each):,}", way, cutoff_of(number), new_pages=False)


def drains(bench: Bench, size: Size) -> None:
    """Purge slices in turns, each by so many processes at once, through Celery."""
    with bench.database() as (url, engine):
        order = _interleaved([(str(each), size.purge_slice) for each in size.drains], min(size.rounds, 3))
        fill_slices(bench, engine, [accounts for _, accounts in order])
        app = bench.app(url)
        for number, (each, _) in enumerate(order):
            with bench.worker(url, f"drains-{number}", drains=int(each)):
                way = partial(celery_sweep, app, engine, PolicyName.PURGE)
                measure(bench, engine, f"purge by {each} at once", way, cutoff_of(number))


def fill_slices(bench: Bench, engine: Engine, due: list[int]) -> None:
    """Seed what all slices take, and a tenth more that is due for nothing."""
    bench.say(f"seeding {sum(due) * 11 // 10:,} whole accounts")
    fill_whole(engine, due, accounts=sum(due) * 11 // 10)


def _interleaved(variants: list[tuple[str, int]], rounds: int) -> list[tuple[str, int]]:
    """Repeat the variants, every other time in reverse, so that none always comes after the same other."""
    return [each for number in range(rounds) for each in (variants if number % 2 == 0 else variants[::-1])]


def _rounds(bench: Bench, url: str, engine: Engine, policy: PolicyName, size: Size, variants: list[str]) -> None:
    # With a broker's database of its own: no worker takes what is sent to the other.
    narrow = replace(bench, broker_url=f"{bench.broker_url}?virtual_host=1")
    ways: dict[str, Way] = {
        "celery": partial(celery_sweep, bench.app(url), engine, policy),
        ONE_LANE: partial(celery_sweep, narrow.app(url), engine, policy),
        "without celery": partial(without_celery, engine, Settings().policies, policy),
        "raw": partial(raw_loop, url, policy),
        SIDE_BY_SIDE: partial(raw_loop, url, policy, connections=DEFAULT.drains),
        "at once": partial(raw_at_once, url, policy),
        **{by_django(each): partial(django_purge, engine, url, each) for each in size.django_batches},
        "orm": partial(orm_purge, engine),
    }
    with bench.worker(url, f"throughput-{policy}"), narrow.worker(url, f"throughput-{policy}-narrow", drains=1):
        for number, variant in enumerate(variants):
            if number % (len(variants) // size.rounds) == 0:
                settle(engine)
            measure(bench, engine, f"{policy} {variant}", ways[variant], cutoff_of(number))


def measure(bench: Bench, engine: Engine, name: str, way: Way, cutoff: datetime, *, new_pages: bool = True) -> None:
    """Do one slice in one way; note its rate and how much of a write-ahead log it makes.

    A checkpoint comes before it, unless pages may be in the log already.
    """
    if new_pages:
        checkpoint(engine)
    before = _written(engine)
    accounts, seconds = way(cutoff)
    bench.note(f"{name} accounts/s", accounts / seconds)
    bench.note(f"{name} WAL KiB/account", (_written(engine) - before) / accounts / 1024)
    bench.say(f"{name}: {accounts:,} accounts at {accounts / seconds:,.0f}/s")


def _written(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")))


def peak(due: int) -> str:
    """Return the name of a figure."""
    return f"memory with {due:,} due MiB"


def memory(bench: Bench, size: Size) -> None:
    """Close few and many accounts, each with fresh workers: the most memory that any of their processes took."""
    with bench.database() as (url, engine):
        fill_thin(engine, list(size.memory_slices))
        app = bench.app(url)
        for number, accounts in enumerate(size.memory_slices):
            with bench.worker(url, f"memory-{accounts}") as worker:
                celery_sweep(app, engine, PolicyName.COUNTER_ONLY, cutoff_of(number))
                most = max(_peak_mebibytes(process) for process in worker.children())
            bench.note(peak(accounts), most)
            bench.say(f"{accounts:,} due: {most:,.0f} MiB in the largest process")


def _peak_mebibytes(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
