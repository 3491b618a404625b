"""Which workers are at work: asked at most every few seconds, whoever looks at the page how often."""

from threading import Lock
from time import monotonic

from models.errors import Unavailable
from tasks.base import RetentionApp
from worker.broker import workers

__all__ = ["AtWork"]

FRESH_SECONDS = 10.0


class AtWork:
    """The names of the workers that answered last.

    Asking takes a second, so while one request asks, the others are told what was answered before.
    """

    def __init__(self, app: RetentionApp) -> None:
        self._app = app
        self._asking = Lock()
        self._asked: float | None = None
        self._names: list[str] | None = None

    def names(self) -> list[str] | None:
        """Return the names of the workers that answer, as of some seconds ago; None where the broker does not."""
        if self._is_stale() and self._asking.acquire(blocking=self._asked is None):
            try:
                if self._is_stale():
                    self._names = self._ask()
                    self._asked = monotonic()
            finally:
                self._asking.release()
        return self._names

    def _is_stale(self) -> bool:
        return self._asked is None or monotonic() - self._asked > FRESH_SECONDS

    def _ask(self) -> list[str] | None:
        try:
            return workers(self._app)
        except Unavailable:
            return None
