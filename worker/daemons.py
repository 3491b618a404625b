"""Worker and beat as Celery has them, and what ours do besides: JSON lines from the first, ticks, a known end."""

import grp
import os
import sys
import warnings
from functools import partial
from mmap import mmap
from typing import Any

import billiard.pool
import celery.apps.beat
import celery.apps.worker
import celery.beat
import structlog
from celery import bootsteps
from celery.exceptions import SecurityWarning

from models.errors import RetentionError
from tasks import events
from worker.exits import end
from worker.logs import configure_logs, for_people
from worker.pulse import TICK_SECONDS, pulse
from worker.settings import settings

__all__ = ["Beat", "Scheduler", "Ticking", "Worker", "is_stopping", "stop"]

# Shared with all children: a byte that a signal handler may set, as no lock is around it.
_stopping = mmap(-1, 1)

# How often, each tenth of a second, an ending child looks whether its parent has read its results. A parent that is
# told to stop in the instant in which it hands a task over never reads that one's, and 30 s, the default, are all that
# an orchestrator grants. What is not read is handed back, and safe to do twice.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 30

log = structlog.get_logger()


def is_stopping() -> bool:
    """Whether this process's worker was told to stop."""
    return bool(_stopping[0])


def stop() -> None:
    """Let every drain of this worker end after its batch."""
    _stopping[0] = 1
    pulse.stop()


def _speak() -> None:
    """Log from the first line on; what Celery paints for people has no reader where there is no terminal."""
    configure_logs(settings().log_level)
    if not for_people():
        sys.stdout = sys.__stdout__ = open(os.devnull, "w", encoding="utf-8")  # type: ignore[misc]  # noqa: SIM115, PTH123


def _group_has_name() -> bool:
    try:
        return bool(grp.getgrgid(os.getegid()))
    except KeyError:
        return False


class Worker(celery.apps.worker.Worker):
    """A worker that logs nothing but lines of ours."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - Celery's signature
        """Set the log up before Celery says anything."""
        _speak()
        if os.geteuid() != 0 and not _group_has_name():
            # Celery takes a number without a name, as containers run by, for root's.
            warnings.simplefilter("ignore", SecurityWarning)
        super().on_before_init(quiet=quiet, **options)

    def prepare_args(self, **options: Any) -> dict[str, Any]:
        """Let it greet no other worker, nor listen to others' events.

        Ours have nothing to tell one another. An answer that comes too late stays in Redis, and an event may be
        anybody's: one of them has the worker that hears it send a task.
        """
        return super().prepare_args(**options) | {"without_mingle": True, "without_gossip": True}


class Beat(celery.apps.beat.Beat):
    """A beat that logs nothing but lines of ours."""

    def run(self) -> None:
        """Set the log up before Celery says anything; then run until a signal comes."""
        _speak()
        chosen = settings()
        try:
            pulse.start(chosen.alive_file, stuck_seconds=chosen.stuck_seconds)
        except RetentionError as error:
            end(error)
        super().run()


class Scheduler(celery.beat.Scheduler):
    """Celery's scheduler in memory, whose every turn is a tick of the pulse."""

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due; returns the seconds until the next.

        What last came at an instant that is yet to come did so by a clock that has been put right since. Celery would
        let it wait until then, and what comes after it by its own reckoning, too.
        """
        pulse.tick()
        for entry in self.schedule.values():
            if entry.last_run_at and entry.last_run_at > (now := entry.default_now()):
                entry.last_run_at, self._heap = now, None
        seconds: float = super().tick(*arguments, **options)
        return seconds


class Ticking(bootsteps.StartStopStep):
    """A step of the consumer: ticks while its loop runs; not while it connects, and not when it has ended."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Tick as soon as the broker is there."""
        pulse.tick()
        consumer.timer.call_repeatedly(TICK_SECONDS, partial(pulse.tick))

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Stop ticking: the consumer connects anew, or the worker ends."""
        pulse.pause()
        if is_stopping():
            log.info(events.WORKER_STOPPING)
