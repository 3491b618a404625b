"""Spans of tasks and batches, sent over OTLP; imports OpenTelemetry, which only the extra `otel` installs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import structlog
from celery import Task, signals
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tasks.base import RetentionApp, Tell
from worker.log_tasks import numbers_of

__all__ = ["Spans"]

PREFIX = "retention."


class Spans:
    """Traces tasks by Celery's signals: a message carries the span that sent it, a task's span goes on from there.

    A task that sends itself again stays beside itself: a sweep of a thousand drains is no stair of a thousand steps.
    """

    def __init__(self, app: RetentionApp) -> None:
        self._app = app
        self._provider: TracerProvider | None = None
        self._span: trace.Span = trace.INVALID_SPAN
        self._parent = context.Context()
        self._task: str | None = None
        self._token: Any = None

    def connect(self) -> None:
        """Let each child of this worker trace for itself; the parent runs no task."""
        os.environ.setdefault("OTEL_SERVICE_NAME", "retention-worker")
        signals.worker_process_init.connect(self._start, weak=False)
        signals.worker_process_shutdown.connect(self._finish, weak=False)

    def _start(self, **_: Any) -> None:
        # Not before the fork: it has a thread that sends.
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("retention")
        self._app.runtime = replace(self._app.runtime, span=self._span_of_a_part)
        signals.before_task_publish.connect(self._send, weak=False)
        signals.task_prerun.connect(self._begin, weak=False)
        signals.task_postrun.connect(self._end, weak=False)

    def _finish(self, **_: Any) -> None:
        if self._provider is not None:
            self._provider.shutdown()

    def _send(self, sender: str, headers: dict[str, Any], **_: Any) -> None:
        propagate.inject(headers, self._parent if self._task == sender else None)

    def _begin(self, task: Task, task_id: str, args: Any, kwargs: Any, **_: Any) -> None:  # type: ignore[type-arg]
        names = propagate.get_global_textmap().fields
        carrier = {name: value for name in names if (value := getattr(task.request, name, None))}
        self._task = task.name
        self._parent = propagate.extract(carrier, context.Context())
        told = {PREFIX + name: number for name, number in numbers_of(task, args, kwargs).items()}
        self._span = self._tracer.start_span(
            task.name,
            self._parent,
            kind=trace.SpanKind.CONSUMER,
            attributes={"messaging.system": "redis", "messaging.message.id": task_id, **told},
        )
        self._token = context.attach(trace.set_span_in_context(self._span, self._parent))
        trace_id = trace.format_trace_id(self._span.get_span_context().trace_id)
        structlog.contextvars.bind_contextvars(trace_id=trace_id)

    def _end(self, state: str, retval: Any, **_: Any) -> None:
        if isinstance(retval, BaseException):
            _mark(self._span, getattr(retval, "exc", None) or retval, failed=state == "FAILURE")
        self._task = None
        context.detach(self._token)
        self._span.end()

    @contextmanager
    def _span_of_a_part(self, name: str, **told: int | str) -> Iterator[Tell]:
        attributes = {PREFIX + key: value for key, value in told.items()}
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:

            def tell(**more: int | str) -> None:
                span.set_attributes({PREFIX + key: value for key, value in more.items()})

            try:
                yield tell
            except BaseException as error:
                _mark(span, error, failed=True)
                raise


def _mark(span: trace.Span, error: BaseException, *, failed: bool) -> None:
    """Note an error by its kind alone: its text may quote data."""
    span.set_attribute("error.type", type(error).__name__)
    if failed:
        span.set_status(trace.StatusCode.ERROR)
