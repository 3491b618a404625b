"""What it costs to find work: among few accounts and many, where nothing is due and where something is."""

from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, Select

from benchmarks.measures import Bench
from benchmarks.populations import fill_due, fill_idle
from benchmarks.sizes import Size
from models import Policies, PolicyName
from tasks.rules.cutoff import Cutoff
from tasks.statements.claim import claim

__all__ = ["scan", "scanned"]

LOOKS = 200


def scan(bench: Bench, size: Size, policies: Policies) -> None:
    """Claim where nothing is due, and where some are, in databases of all sizes by turns: milliseconds and buffers."""
    now = datetime.now(UTC)
    with ExitStack() as stack:
        engines = {}
        for accounts in size.idle:
            _, engines[accounts] = stack.enter_context(bench.database())
            bench.say(f"making {accounts:,} accounts of which none is due")
            fill_idle(engines[accounts], accounts)
        for due in (0, size.idle_due):
            for engine in engines.values():
                fill_due(engine, due)
            for name in PolicyName:
                _claim_by_turns(bench, engines, claim(Cutoff.of(policies, name, now)).params(most=100), name, due)


def scanned(policy: PolicyName, accounts: int, due: int, unit: str) -> str:
    """Return the name of a figure."""
    return f"{policy} claim among {accounts:,} with {due:,} due {unit}"


def _claim_by_turns(
    bench: Bench, engines: dict[int, Engine], claiming: Select[*tuple[Any, ...]], policy: PolicyName, due: int
) -> None:
    with ExitStack() as stack:
        connections = {accounts: stack.enter_context(engine.connect()) for accounts, engine in engines.items()}
        for _ in range(LOOKS):
            for accounts, connection in connections.items():
                bench.note(scanned(policy, accounts, due, "ms"), _milliseconds(connection, claiming))
        for accounts, connection in connections.items():
            bench.note(scanned(policy, accounts, due, "buffers"), _buffers(connection, claiming))
            taken = median(bench.raw[scanned(policy, accounts, due, "ms")])
            bench.say(f"{policy}: {due:,} due among {accounts:,}, claimed in {taken:.2f} ms")


def _milliseconds(connection: Connection, statement: Select[*tuple[Any, ...]]) -> float:
    """Execute a statement, undo it, and return how long it took."""
    with connection.begin() as transaction:
        began = perf_counter()
        connection.execute(statement).all()
        seconds = perf_counter() - began
        transaction.rollback()
    return seconds * 1000


def _buffers(connection: Connection, statement: Select[*tuple[Any, ...]]) -> int:
    compiled = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}"
    with connection.begin() as transaction:
        plan = connection.exec_driver_sql(explain).scalar_one()[0]["Plan"]
        transaction.rollback()
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
