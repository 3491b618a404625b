"""The base of every task: where it finds the policies, the database and its limits."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Protocol, cast

from celery import Celery
from celery.app.task import Task
from sqlalchemy import Engine

from models import Policies
from models.errors import Unavailable
from tasks.pace import Pace
from tasks.rules.gate import Limits

__all__ = ["MINUTELY", "RETRYING", "RetentionApp", "RetentionTask", "Runtime", "Tell"]

# Whatever is lost is sent again in a later minute, so a message need not outlive its minute.
MINUTELY: dict[str, Any] = {"expires": 55}

# An outage or a deadlock is waited out for about half a minute; after that `recover` takes over.
RETRYING: dict[str, Any] = {
    "autoretry_for": (Unavailable,),
    "retry_backoff": 1,
    "retry_backoff_max": 20,
    "max_retries": 5,
}


class Tell(Protocol):
    """Adds what became of a part of a task to its span."""

    def __call__(self, **told: int | str) -> None:
        """Add facts, none of them personal data."""


class Span(Protocol):
    """Begins a span for a part of a task; an error of the block ends it as failed."""

    def __call__(self, name: str, **told: int | str) -> AbstractContextManager[Tell]:
        """Return the span's context."""


@contextmanager
def _no_span(name: str, **told: int | str) -> Iterator[Tell]:  # noqa: ARG001 - as `Span`
    yield lambda **_: None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What tasks work with; the worker puts it together from its settings.

    Attributes:
        engine: connects lazily, in the process that uses it.
        policies: both, with their periods and crons.
        batch_accounts: accounts in one transaction, at most.
        drains: drain tasks of one sweep at a time.
        drain_seconds: how long one drain task takes up batches before it makes room for others.
        pace: rests between batches while others are at work.
        limits: the gates' numbers.
        broker_clock: asks the broker what time it is; raises `Unavailable` where it does not answer.
        check_schema: raises `InvalidConfiguration` where the schema is not the one this program is written for.
        documents_url: fsspec URL under which documents' files lie, without a slash at its end; None: none is erased.
        export_url: directory that the log is exported to; None: it is not.
        is_stopping: whether the worker was told to stop, so that tasks end at the next good moment.
        span: shows a part of a task in a trace, where traces are wanted.
    """

    engine: Engine
    policies: Policies
    batch_accounts: int
    drains: int
    drain_seconds: float
    pace: Pace
    limits: Limits
    broker_clock: Callable[[], datetime]
    check_schema: Callable[[], None]
    documents_url: str | None
    export_url: str | None = None
    is_stopping: Callable[[], bool] = lambda: False
    span: Span = _no_span

    def patience(self, seconds: float | None = None) -> Callable[[], bool]:
        """Begin a task's time; what is returned says whether it is over, by default after `drain_seconds`."""
        ends = monotonic() + (self.drain_seconds if seconds is None else seconds)
        return lambda: self.is_stopping() or monotonic() >= ends


class RetentionTask(Task):  # type: ignore[type-arg]  # only generic in the stubs
    """A task that knows its runtime; what it is told are ids, the truth is in the database."""

    abstract = True

    @property
    def runtime(self) -> Runtime:
        """The runtime of the application that this task is bound to."""
        return cast("RetentionApp", self.app).runtime


class RetentionApp(Celery):
    """A Celery application that carries the runtime of its tasks."""

    runtime: Runtime
