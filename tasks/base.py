"""The base of every task: where it finds the policies, the database and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from celery import Celery
from celery.app.task import Task
from sqlalchemy import Engine

from models import Policies
from models.errors import Unavailable
from tasks.rules.gate import Limits

__all__ = ["MINUTELY", "RETRYING", "RetentionApp", "RetentionTask", "Runtime"]

# Whatever is lost is sent again by a later minute's dispatch, so a message need not outlive its minute.
MINUTELY: dict[str, Any] = {"expires": 55}

# An outage or a deadlock is waited out for about half a minute; after that `recover` takes over.
RETRYING: dict[str, Any] = {
    "autoretry_for": (Unavailable,),
    "retry_backoff": 1,
    "retry_backoff_max": 20,
    "max_retries": 5,
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What tasks work with; the worker puts it together from its settings.

    Attributes:
        engine: connects lazily, in the process that uses it.
        policies: both, with their periods and crons.
        batch_accounts: accounts in one transaction, at most.
        drains: drain tasks of one sweep at a time.
        drain_seconds: how long one drain task takes up batches before it makes room for others.
        limits: the gates' numbers.
        broker_clock: asks the broker what time it is; raises `Unavailable` where it does not answer.
        check_schema: raises `InvalidConfiguration` where the schema is not the one this program is written for.
        documents_url: fsspec URL under which documents' files lie, without a slash at its end; None: none is erased.
        export_url: directory that the log is exported to; None: it is not.
    """

    engine: Engine
    policies: Policies
    batch_accounts: int
    drains: int
    drain_seconds: float
    limits: Limits
    broker_clock: Callable[[], datetime]
    check_schema: Callable[[], None]
    documents_url: str | None
    export_url: str | None = None


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
