"""Findings: what reconciliation found, fault by fault."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from tasks.statements.tally import SAMPLE, Tally

__all__ = ["Findings"]


class Findings:
    """What was found, fault by fault; memory does not depend on how much."""

    def __init__(self, about: str) -> None:
        self._about = about
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[int]] = {}

    def add(self, fault: str, count: int, sample: Sequence[int | None]) -> None:
        """Count a fault, and keep a few of the numbers it concerns."""
        self._counts[fault] += count
        numbers = {*self._samples.get(fault, ()), *(number for number in sample if number is not None)}
        self._samples[fault] = sorted(numbers)[:SAMPLE]

    def judge(self, connection: Connection, statement: Tally, **parameters: Any) -> None:
        """Add what a tally finds, with the parameters that it asks for."""
        for fault, count, sample in connection.execute(statement, parameters):
            self.add(fault, count, sample)

    def sentences(self) -> list[str]:
        """Return a sentence for each fault."""
        return [f"{self._about}: {count} {fault}{self._such_as(fault)}" for fault, count in self._counts.items()]

    def _such_as(self, fault: str) -> str:
        sample = self._samples[fault]
        return f": {', '.join(map(str, sample))}" if sample else ""
