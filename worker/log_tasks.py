"""Which task and sweep a line of the log belongs to: bound while a task runs, and read from Celery's own lines."""

import re
from ast import literal_eval
from collections.abc import Mapping, Sequence
from contextlib import suppress
from inspect import signature
from typing import Any

import structlog
from celery import Task, current_app
from structlog.typing import EventDict

__all__ = ["bind_task", "name_tasks", "numbers_of", "unbind_task"]

# As the parent process names a task: when it received it, when a child that ran it died.
NAMED = re.compile(r"\b(retention\.\w+)\[([0-9a-f-]{36})\]")
TOLD = {"sweep_id": "sweep", "lane": "lane"}


def bind_task(task: Task, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], **_: Any) -> None:  # type: ignore[type-arg]
    """Put the task's id, and its sweep and lane, on every line until the task has ended."""
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, **numbers_of(task, args, kwargs))


def unbind_task(**_: Any) -> None:
    """Leave nothing of a task to the next."""
    structlog.contextvars.clear_contextvars()


def name_tasks(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put onto a line of Celery's own, in whose process the task does not run, what its text says; a processor."""
    named = NAMED.search(str(event.get("event")))
    if named is None or "task_id" in event:
        return event
    name, task_id = named.groups()
    event.update(task=name, task_id=task_id)
    told = getattr(event.get("_record"), "data", None)
    if isinstance(told, dict) and name in current_app.tasks:
        with suppress(ValueError, SyntaxError):  # cut short, as it is when it is long
            args, kwargs = literal_eval(str(told["args"])), literal_eval(str(told["kwargs"]))
            event.update(numbers_of(current_app.tasks[name], args, kwargs))
    return event


def numbers_of(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, int]:  # type: ignore[type-arg]
    """Return a task's sweep and lane; whatever else it is told may be anybody's words."""
    told = dict(zip(signature(task.run).parameters, args, strict=False)) | dict(kwargs)
    return {TOLD[name]: value for name, value in told.items() if name in TOLD and isinstance(value, int)}
