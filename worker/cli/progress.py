"""Sweeps as they go: bars on a terminal, a line now and then elsewhere."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tasks.statements.sweeps import select_rows
from tasks.transaction import transaction
from worker.answers.sweeps import Sweep
from worker.cli.output import error_console
from worker.deployment import Deployment

__all__ = ["SweepProgress"]

LINE_SECONDS = 5.0


class SweepProgress:
    """Shows sweeps on standard error while they run; as a context, it takes the bars away at its end.

    Usage:
        with SweepProgress(deployment) as progress:
            progress.show(sweeps)  # again and again
    """

    def __init__(self, here: Deployment) -> None:
        self._here = here
        self._console = error_console()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar: dict[int, TaskID] = {}
        self._began: dict[int, float] = {}
        self._spoke: dict[int, float] = {}
        self._ended: set[int] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, sweeps: list[Sweep]) -> None:
        """Show the present state of `sweeps`, as `read_sweeps` returns them; one that has ended is told once."""
        for sweep in sorted(sweeps, key=lambda each: each["id"]):
            if sweep["id"] in self._ended:
                continue
            if sweep["ended_at"]:
                self._tell_end(sweep)
            elif sweep["started_at"]:
                self._tell_progress(sweep)

    def _tell_progress(self, sweep: Sweep) -> None:
        number = sweep["id"]
        now = monotonic()
        began = self._began.setdefault(number, now)
        rate = f"{sweep['accounts'] / (now - began):,.0f}/s" if now > began else ""
        if number not in self._bar:
            self._bar[number] = self._bars.add_task(_name(sweep), total=sweep["due"], rate="")
        self._bars.update(self._bar[number], completed=sweep["accounts"], rate=rate)
        if not self._console.is_terminal and now - self._spoke.get(number, 0) >= LINE_SECONDS:
            self._spoke[number] = now
            self._console.print(f"{_name(sweep)}: {sweep['accounts']:,} of {_many(sweep['due'])} accounts {rate}")

    def _tell_end(self, sweep: Sweep) -> None:
        number = sweep["id"]
        self._ended.add(number)
        if number in self._bar:
            self._bars.remove_task(self._bar.pop(number))
        with transaction(self._here.engine) as connection:
            rows = connection.execute(select_rows(number)).all()
        verb = {"purge": "deleted", "counter_only": "moved"}[sweep["policy"]]
        counted = ", ".join(f"{table} {count:,}" for table, count in rows if count)
        failure = f": {sweep['failure']}" if sweep["failure"] else ""
        self._console.print(
            f"{_name(sweep)} {sweep['status']}{failure}: {_counted(sweep['accounts'])} {verb}"
            + (f" (rows: {counted})" if counted else "")
        )


def _counted(accounts: int) -> str:
    return f"{accounts:,} account{'' if accounts == 1 else 's'}"


def _many(accounts: int | None) -> str:
    return "an unknown number of" if accounts is None else f"{accounts:,}"


def _name(sweep: Sweep) -> str:
    return f"{sweep['policy']} (sweep {sweep['id']})"
