"""The structured log on standard error: JSON, one object a line; on a terminal, lines for people."""

import logging
import sys
from types import TracebackType
from typing import Any

import structlog

from tasks import events
from worker.log_errors import hide_errors, tell_errors
from worker.log_tasks import name_tasks

__all__ = ["configure_logs", "for_people"]

SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# One list for all: a logger keeps the one that it was first used with, so another would leave some loggers behind.
PROCESSORS = [*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]


def for_people() -> bool:
    """Whether the log goes to a terminal."""
    return sys.stderr.isatty()


def configure_logs(level: str = "INFO", **_: Any) -> None:
    """Send our events, those of the libraries, warnings and what ends the process through one formatter."""
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    rendering: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if for_people() else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(hide_errors)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*SHARED, name_tasks],
            processors=[tell_errors, structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells each look at the schema in two lines
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical(events.PROCESS_CRASHED, exc_info=(kind, error, trace))
