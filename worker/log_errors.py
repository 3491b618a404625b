"""What the log tells of an error: its kind, where it was raised, and its text only where that can quote no data."""

import logging
import sys
import traceback
from typing import Any

from kombu.exceptions import OperationalError
from structlog.typing import EventDict

from models.errors import RetentionError

__all__ = ["describe", "hide_errors", "tell_errors"]

# Ours name codes and numbers, those of connections name hosts; any other may quote what somebody entered.
TRUSTED = (RetentionError, OperationalError, OSError)
MOST_FRAMES = 30


def describe(error: BaseException) -> str:
    """Return an error's kind, with its text where that is trusted."""
    text = str(error) if isinstance(error, TRUSTED) else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def hide_errors(record: logging.LogRecord) -> bool:
    """Replace the text of an error in a message of Celery's by what may be told; a filter that lets everything pass."""
    error = _error(record.exc_info)
    if error is not None and isinstance(record.args, dict) and "exc" in record.args:
        record.args = {**record.args, "exc": describe(error)}
    return True


def tell_errors(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace an exception of an event by its kind, its causes' kinds and the places it came by; a processor."""
    error = _error(event.pop("exc_info", None))
    if error is not None:
        places = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        event["error"] = describe(error)
        event["trace"] = [f"{place.filename}:{place.lineno} {place.name}" for place in places]
        if (cause := error.__cause__) is not None:
            event["cause"] = describe(cause)
    return event


def _error(exc_info: Any) -> BaseException | None:
    """Return the exception that `exc_info` stands for in any of the forms that logging allows."""
    if isinstance(exc_info, BaseException):
        return exc_info
    found = exc_info if isinstance(exc_info, tuple) else sys.exc_info() if exc_info else (None, None, None)
    return found[1] if isinstance(found[1], BaseException) else None
