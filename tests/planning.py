"""How PostgreSQL carries out what is asked of it: each statement is explained in its own transaction, then executed."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event, text

__all__ = ["Plans", "Scan", "explaining", "large_tables"]

EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True, slots=True)
class Scan:
    """One visit to a table or partition: how (a plan's node), how many rows it looked at, which function asked."""

    table: str
    how: str
    rows: float
    asked_by: str


@dataclass(slots=True)
class Plans:
    """What was asked so far."""

    scans: list[Scan] = field(default_factory=list)

    def whole(self, tables: set[str]) -> set[tuple[str, str]]:
        """Which of these tables were read from end to end, and who asked: pairs (table, function)."""
        return {(scan.table, scan.asked_by) for scan in self.scans if scan.how == "Seq Scan" and scan.table in tables}

    def who_asked(self, table: str) -> set[str]:
        """Name the functions that looked at a table, or at a partition of it."""
        return {scan.asked_by for scan in self.scans if re.fullmatch(rf"{table}(_\d+)?", scan.table)}

    def most_rows(self, tables: set[str]) -> dict[str, float]:
        """For who asked, the most rows of one of these tables that a single statement looked at."""
        most: dict[str, float] = {}
        for scan in self.scans:
            if scan.table in tables:
                most[scan.asked_by] = max(scan.rows, most.get(scan.asked_by, 0))
        return most


@contextmanager
def explaining(engine: Engine) -> Iterator[Plans]:
    """Explain whatever an engine is asked meanwhile: executed once for its plan and undone, then once in earnest.

    Of one statement with many parameters the first are explained; one that the database refuses has no plan.
    """
    plans = Plans()

    def explain(connection: Connection, _cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        _, is_many = more
        if not statement.lstrip().upper().startswith(EXPLAINED) or "set_config" in statement:
            return
        with connection.connection.cursor() as cursor:
            cursor.execute("SAVEPOINT explained")
            with suppress(psycopg.Error):  # it is refused in earnest next, and whoever asked is told
                cursor.execute(
                    f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {statement}", parameters[0] if is_many else parameters
                )
                (found,) = cursor.fetchone()
                document = json.loads(found) if isinstance(found, str) else found
                plans.scans.extend(_scans(document[0]["Plan"], _asking()))
            cursor.execute("ROLLBACK TO explained")

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def _asking() -> str:
    """Name the innermost function of ours that is at work."""
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("tasks.", "worker.")):
            return f"{module}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "a test"


def _scans(node: dict[str, Any], asked_by: str) -> Iterator[Scan]:
    # Of a partition that a number did not lead to, the plan speaks as well.
    if "Relation Name" in node and "Scan" in node["Node Type"] and node["Actual Loops"]:
        dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = (node["Actual Rows"] + dropped) * node["Actual Loops"]
        yield Scan(table=node["Relation Name"], how=node["Node Type"], rows=rows, asked_by=asked_by)
    for child in node.get("Plans", ()):
        yield from _scans(child, asked_by)


def large_tables(engine: Engine, rows: int) -> set[str]:
    """Return our tables, and partitions of them, that hold more than so many rows, as of the last ANALYZE."""
    query = text(
        "SELECT pg_class.relname FROM pg_class JOIN pg_stat_user_tables ON relid = oid WHERE reltuples > :rows"
    )
    with engine.connect() as connection:
        return {name for (name,) in connection.execute(query, {"rows": rows})}
