"""A verification as it goes: a bar on a terminal, a line now and then elsewhere."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tasks.verify import Span
from worker.cli.output import error_console

__all__ = ["VerifyProgress"]

LINE_SECONDS = 5.0


class VerifyProgress:
    """Shows on standard error how far a verification is; as a context, it takes the bar away at its end."""

    def __init__(self) -> None:
        self._console = error_console()
        columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        self._bars = Progress(
            *columns,
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._began = self._spoke = monotonic()
        self._receipts = self._actions = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def advance(self, span: Span, receipts: int) -> None:
        """Show that one more range was verified."""
        now = monotonic()
        self._receipts, self._actions = self._receipts + span.receipts, self._actions + span.actions
        rate = f"{self._actions / (now - self._began):,.0f} actions/s" if now > self._began else ""
        if self._bar is None:
            self._bar = self._bars.add_task("verifying", total=receipts, rate="")
        self._bars.update(self._bar, completed=self._receipts, rate=rate)
        if not self._console.is_terminal and now - self._spoke >= LINE_SECONDS:
            self._spoke = now
            self._console.print(f"verified {self._receipts:,} of {receipts:,} receipts, {rate}")
