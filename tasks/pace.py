"""Resting between batches while others are at work in the database."""

from time import monotonic, sleep

from tasks.base import Runtime
from tasks.rules.pace import Signs, is_alone, rest, smoothed
from tasks.statements.pace import look_around
from tasks.transaction import transaction

__all__ = ["Pace"]

NAP_SECONDS = 0.05


class Pace:
    """The pace of one lane; it looks around after each batch."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._busy: float | None = None
        self._before: Signs | None = None

    @property
    def alone(self) -> bool:
        """Whether nobody else was at work of late; always where the worker is set not to rest, nor to look."""
        return is_alone(self._busy or 0)

    def rest(self, seconds: float) -> float:
        """Rest after a batch that took so many seconds, unless the worker is to stop; returns for how long.

        Raises:
            Unavailable: the database did not answer.
        """
        most = self._runtime.rest_multiple
        if not most:
            return 0
        signs = self._look()
        self._busy = smoothed(self._busy, signs)
        resting = rest(seconds, busy=self._busy, signs=signs, before=self._before or signs, most=most)
        self._before = signs
        ends = monotonic() + resting
        while not self._runtime.is_stopping() and (left := ends - monotonic()) > 0:
            sleep(min(left, NAP_SECONDS))
        return resting

    def _look(self) -> Signs:
        with transaction(self._runtime.engine) as connection:
            version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
            return Signs(*connection.execute(look_around(version)).one())
