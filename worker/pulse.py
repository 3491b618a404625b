"""Whether this process is at work: a fresh file for a probe, an end for one that is stuck, a limit to stopping."""

import atexit
import os
import signal
import sys
import traceback
from pathlib import Path
from time import monotonic
from types import FrameType

import structlog

from models.errors import InvalidConfiguration
from tasks import events

__all__ = ["STUCK_EXIT", "TICK_SECONDS", "Pulse", "pulse"]

TICK_SECONDS = 2.0
BEAT_SECONDS = 5.0
# Longer than a batch of many accounts may take, so that only one account's is ever broken off.
STOP_SECONDS = 15.0
STUCK_EXIT = 70

log = structlog.get_logger()


class Pulse:
    """A kernel timer that looks whether the process's main loop goes on.

    The timer's signal also reaches a main thread that waits for a server which never answers; a thread of our own would
    be in the way of forks. A loop that is known to wait for the broker is alive.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._stuck_seconds = 0.0
        self._ticked: float | None = None
        self._stop_by: float | None = None

    def start(self, file: Path | None, *, stuck_seconds: float) -> None:
        """Begin to beat, in the main thread.

        Args:
            file: touched with each beat; None for none.
            stuck_seconds: a loop that stands still for longer ends the process with exit code 70.

        Raises:
            InvalidConfiguration: the file cannot be written.
        """
        self._file, self._stuck_seconds = file, stuck_seconds
        try:
            self._touch()
        except OSError as error:
            raise InvalidConfiguration(
                f"RETENTION_ALIVE_FILE is {str(file)!r}, which cannot be written ({error.strerror}); "
                "name a file in a directory that is there and is ours"
            ) from None
        signal.signal(signal.SIGALRM, self._beat)
        # The interpreter gives up its handlers before it ends, and a signal without one would kill it.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, BEAT_SECONDS, BEAT_SECONDS)

    def tick(self) -> None:
        """Say that the main loop goes on."""
        self._ticked = monotonic()

    def pause(self) -> None:
        """Say that the loop stands still with good reason, as while connecting, until it ticks again."""
        self._ticked = None

    def stop(self) -> None:
        """Say that the process is to stop: what is not at its end in 15 seconds is broken off and handed back."""
        self.pause()
        self._stop_by = monotonic() + STOP_SECONDS

    def _beat(self, _number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._stop_by is not None and now > self._stop_by:
            self._stop_by = None
            # Celery's own way to end children and to put back what they had not acknowledged.
            os.kill(os.getpid(), signal.SIGQUIT)
        if self._ticked is not None and now - self._ticked > self._stuck_seconds:
            self._end(frame)
        try:
            self._touch()
        except OSError as error:
            log.warning(events.ALIVE_FILE_FAILED, failure=type(error).__name__)

    def _touch(self) -> None:
        if self._file is not None:
            self._file.touch()

    def _end(self, frame: FrameType | None) -> None:
        where = [f"{place.filename}:{place.lineno} {place.name}" for place in traceback.extract_stack(frame)]
        try:
            log.critical(events.PROCESS_STUCK, seconds=self._stuck_seconds, trace=where)
            sys.stderr.flush()
        finally:  # the log may be what is stuck
            os._exit(STUCK_EXIT)


# A process has one timer of this kind, and so one pulse.
pulse = Pulse()
