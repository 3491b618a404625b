"""Whether traces are wanted: OpenTelemetry's own variables say so, and only then is anything of it imported."""

import os

from models.errors import InvalidConfiguration
from tasks.base import RetentionApp

__all__ = ["trace_tasks"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def trace_tasks(app: RetentionApp) -> None:
    """Trace the tasks of a worker's children, if the environment names a place for traces.

    Raises:
        InvalidConfiguration: it does, and what is needed is not installed.
    """
    if not _are_wanted():
        return
    try:
        from worker.spans import Spans
    except ImportError:
        raise InvalidConfiguration(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which are not installed; "
            "install retention-worker[otel], or set OTEL_SDK_DISABLED=true"
        ) from None
    Spans(app).connect()


def _are_wanted() -> bool:
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    none = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return any(os.environ.get(name, "").strip() for name in ENDPOINTS) and not off and not none
