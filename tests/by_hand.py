"""A deployment without processes: a test runs its tasks one after the other; their messages go to a real broker."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import text

from tasks.base import Runtime
from tasks.run import request_sweeps
from worker.app import create_app
from worker.servers import Addresses
from worker.settings import Settings

__all__ = ["ByHand"]

MOST_ROUNDS = 200


class ByHand:
    """The tasks of one deployment, with these settings.

    A database whose clock a test has set is years off the others: `any_clock` lets it be. `broker_clock` stands in
    for the broker's.
    """

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        *,
        any_clock: bool = False,
        broker_clock: Callable[[], datetime] | None = None,
        **settings: Any,
    ) -> None:
        self.app = create_app(Settings(**settings), Addresses(database_url, broker_url))
        runtime = self.app.runtime
        if any_clock:
            runtime = replace(runtime, limits=replace(runtime.limits, skew_seconds=1e11))
        if broker_clock:
            runtime = replace(runtime, broker_clock=broker_clock)
        self.app.runtime = runtime

    @property
    def runtime(self) -> Runtime:
        return self.app.runtime

    def close(self) -> None:
        """Leave no connection behind."""
        self.app.close()
        self.runtime.engine.dispose()

    def request(self, policy: str = "counter_only", actor: str = "mori") -> int:
        """Ask for a sweep by hand; returns its number."""
        (number,) = request_sweeps(self.runtime.engine, self.runtime.policies, policy=policy, actor=actor, reason="r")
        return number

    def do(self, task: str, *arguments: int) -> None:
        """Run a task here and now."""
        self.app.tasks[f"retention.{task}"].apply(arguments, throw=True)

    def sweep(self, number: int) -> Any:
        """Let a sweep's gates judge it; returns its row."""
        self.do("sweep", number)
        return self.row(number)

    def carry_out(self, number: int) -> Any:
        """Judge a sweep and run its drains until it has ended or is held; returns its row."""
        row = self.sweep(number)
        rounds = count()
        while row.status in ("queued", "running"):
            assert next(rounds) < MOST_ROUNDS, f"the sweep goes on and on: {row}"
            for lane in range(self.runtime.drains):
                self.do("drain", number, lane)
            self.do("reconcile", number)
            row = self.sweep(number)
        return row

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Return what a query finds."""
        with self.runtime.engine.begin() as connection:
            return list(connection.execute(text(query), values).all())

    def run(self, statement: str, **values: Any) -> None:
        """Change the database."""
        with self.runtime.engine.begin() as connection:
            connection.execute(text(statement), values)

    def row(self, number: int) -> Any:
        """Return a sweep's row."""
        (row,) = self.rows("SELECT * FROM sweeps WHERE id = :id", id=number)
        return row

    def sweeps(self) -> list[tuple[int, str, str]]:
        """Return all sweeps: (number, policy, status)."""
        return [tuple(row) for row in self.rows("SELECT id, policy, status FROM sweeps ORDER BY id")]

    def decisions(self, number: int | None = None) -> list[tuple[str, str]]:
        """Return what was decided, of one sweep or of all: (kind, actor), oldest first."""
        which, values = ("WHERE sweep_id = :number", {"number": number}) if number else ("", {})
        return [tuple(row) for row in self.rows(f"SELECT kind, actor FROM decisions {which} ORDER BY id", **values)]

    def accounts(self, condition: str = "true") -> list[int]:
        """Return the numbers of accounts that are there and fulfil a condition."""
        return [row.id for row in self.rows(f"SELECT id FROM accounts WHERE {condition} ORDER BY id")]
