"""What is measured: throughput side by side, the cost of finding nothing, memory against the number due."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

import psutil
from sqlalchemy import Connection, Engine, Select, make_url, text

from benchmarks.populations import cutoff_of, fill_idle, fill_thin, fill_whole
from benchmarks.variants import celery_sweep, orm_purge, raw_loop, running_worker
from models import Policies, PolicyName
from tasks.base import RetentionApp
from tasks.rules.cutoff import Cutoff
from tasks.statements.claim import claim
from worker.app import create_app
from worker.database import connect
from worker.servers import Addresses
from worker.settings import Settings

__all__ = ["Bench", "Size", "memory", "scan", "throughput"]

LOOKS = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is; every slice is so many accounts."""

    rounds: int
    whole_accounts: int
    purge_slice: int
    orm_slice: int
    thin_slice: int
    idle: tuple[int, ...]
    memory_slices: tuple[int, int]
    guesses: int
    log_actions: int


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
    def worker(self, url: str, name: str) -> Iterator[psutil.Process]:
        """Run a worker as it is by default, but for its ceilings, on the database at `url`."""
        # Every gate is asked, and lets more pass than it would by default: here most accounts are due at once.
        environment = {
            "RETENTION_DATABASE_URL": url,
            "RETENTION_BROKER_URL": self.broker_url,
            "RETENTION_CEILING_ACCOUNTS": "1000000000",
            "RETENTION_CEILING_SHARE": "1",
        }
        processes = Settings().drains + 1
        with running_worker(environment, self.directory / f"{name}.log", processes=processes) as worker:
            yield psutil.Process(worker.pid)

    def app(self, url: str) -> RetentionApp:
        """Return the application that messages are sent with."""
        return create_app(Settings(), Addresses(url, self.broker_url))

    def note(self, name: str, value: float) -> None:
        """Keep one raw figure."""
        self.raw.setdefault(name, []).append(value)


def throughput(bench: Bench, size: Size) -> None:
    """Purge and close slices in turns: ours through Celery, the raw loop, and for purging the ORM."""
    purging = [("celery", size.purge_slice), ("raw", size.purge_slice), ("orm", size.orm_slice)]
    with bench.database() as (url, engine):
        bench.say(f"seeding {size.whole_accounts:,} whole accounts")
        order = _interleaved(purging, size.rounds)
        fill_whole(engine, [accounts for _, accounts in order], accounts=size.whole_accounts)
        _rounds(bench, url, engine, PolicyName.PURGE, [name for name, _ in order])
    with bench.database() as (url, engine):
        bench.say(f"making {2 * size.rounds * size.thin_slice:,} withdrawn accounts")
        order = _interleaved([("celery", size.thin_slice), ("raw", size.thin_slice)], size.rounds)
        fill_thin(engine, [accounts for _, accounts in order])
        _rounds(bench, url, engine, PolicyName.COUNTER_ONLY, [name for name, _ in order])


def _interleaved(variants: list[tuple[str, int]], rounds: int) -> list[tuple[str, int]]:
    """Repeat the variants, every other time in reverse, so that none always comes after the same other."""
    return [each for number in range(rounds) for each in (variants if number % 2 == 0 else variants[::-1])]


def _rounds(bench: Bench, url: str, engine: Engine, policy: PolicyName, variants: list[str]) -> None:
    bench.app(url)
    ways = {
        "celery": lambda cutoff: celery_sweep(engine, policy, cutoff),
        "raw": lambda cutoff: raw_loop(url, policy, cutoff),
        "orm": lambda cutoff: orm_purge(engine, cutoff),
    }
    with bench.worker(url, f"throughput-{policy}"):
        for number, variant in enumerate(variants):
            accounts, seconds = ways[variant](cutoff_of(number))
            bench.note(f"{policy} {variant} accounts/s", accounts / seconds)
            bench.say(f"{policy} {variant}: {accounts:,} accounts at {accounts / seconds:,.0f}/s")


def scan(bench: Bench, size: Size, policies: Policies) -> None:
    """Claim where nothing is due, in databases of different size by turns: milliseconds and buffers."""
    now = datetime.now(UTC)
    with ExitStack() as stack:
        connections = {}
        for accounts in size.idle:
            _, engine = stack.enter_context(bench.database())
            bench.say(f"making {accounts:,} accounts of which none is due")
            fill_idle(engine, accounts)
            connections[accounts] = stack.enter_context(engine.connect())
        for name in PolicyName:
            looking = claim(Cutoff.of(policies, name, now)).params(most=100)
            times: dict[int, list[float]] = {accounts: [] for accounts in connections}
            for _ in range(LOOKS):
                for accounts, connection in connections.items():
                    times[accounts].append(_milliseconds(connection, looking))
            for accounts, connection in connections.items():
                bench.note(f"{name} scan of {accounts} ms", median(times[accounts]))
                bench.note(f"{name} scan of {accounts} buffers", _buffers(connection, looking))
                bench.say(f"{name}: nothing due among {accounts:,}, found in {median(times[accounts]):.2f} ms")


def _milliseconds(connection: Connection, statement: Select[*tuple[Any, ...]]) -> float:
    began = perf_counter()
    connection.execute(statement).all()
    return (perf_counter() - began) * 1000


def _buffers(connection: Connection, statement: Select[*tuple[Any, ...]]) -> int:
    compiled = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}"
    plan = connection.exec_driver_sql(explain).scalar_one()[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def memory(bench: Bench, size: Size) -> None:
    """Close few and many accounts, each with fresh workers: the most memory that any of their processes took."""
    with bench.database() as (url, engine):
        fill_thin(engine, list(size.memory_slices))
        bench.app(url)
        for number, accounts in enumerate(size.memory_slices):
            with bench.worker(url, f"memory-{accounts}") as worker:
                celery_sweep(engine, PolicyName.COUNTER_ONLY, cutoff_of(number))
                peak = max(_peak_mebibytes(process) for process in worker.children())
            bench.note(f"memory with {accounts} due MiB", peak)
            bench.say(f"{accounts:,} due: {peak:,.0f} MiB in the largest process")


def _peak_mebibytes(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
