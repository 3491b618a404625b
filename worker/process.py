"""What a Celery process of ours does at its start and around its forks."""

import logging
import os
from contextlib import suppress
from dataclasses import replace
from functools import cache

import billiard.util
from celery.signals import (
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from models.errors import RetentionError
from tasks.base import RetentionApp
from worker.app import create_app
from worker.daemons import Beat, Ticking, Worker, is_stopping, stop
from worker.database import check_schema, connect
from worker.exits import end
from worker.log_tasks import bind_task, unbind_task
from worker.logs import configure_logs
from worker.pulse import pulse
from worker.servers import locate
from worker.settings import Settings, settings
from worker.traces import trace_tasks
from worker.transport import take_only_ours

__all__ = ["process_app"]

# Whoever else wants this machine's processors has three times the right to them, and not the whole: who waits for what
# a batch has locked waits for its process.
NICE = 5


def process_app() -> RetentionApp:
    """Return the application for this process's environment; ends the process where that cannot be."""
    try:
        chosen = settings()
        app = create_app(chosen, locate(chosen))
    except RetentionError as error:
        end(error)
    app.runtime = replace(app.runtime, is_stopping=is_stopping)
    app.runtime.pace.step_back = _step_back
    take_only_ours()
    app.Worker = app.subclass_with_self(Worker)  # type: ignore[misc]  # a cached property, which may be set
    app.Beat = app.subclass_with_self(Beat)  # type: ignore[misc]
    app.steps["consumer"].add(Ticking)
    # Weak references would let the handlers go with this function.
    setup_logging.connect(lambda **_: _set_up_logs(chosen), weak=False)
    celeryd_init.connect(lambda **_: _start_worker(app, chosen), weak=False)
    worker_shutting_down.connect(lambda **_: stop(), weak=False)
    # A connection shared across a fork mixes up rows; the parent opens none, and a child starts with none.
    worker_process_init.connect(lambda **_: app.runtime.engine.dispose(close=False), weak=False)
    worker_process_shutdown.connect(lambda **_: app.runtime.engine.dispose(), weak=False)
    task_prerun.connect(bind_task, weak=False)
    task_postrun.connect(unbind_task, weak=False)
    return app


def _set_up_logs(chosen: Settings) -> None:
    configure_logs(chosen.log_level)
    # Billiard keeps its log to itself: what it says of a child that was killed would be a line that is no JSON.
    billiards = billiard.util.get_logger()
    billiards.propagate = True
    billiards.setLevel(logging.WARNING)


@cache
def _step_back() -> None:
    """Let others on this machine go first from now on; once in a process's life, as it cannot be taken back."""
    with suppress(OSError):  # where a process may not do that, it goes on as it is
        os.nice(NICE)


def _start_worker(app: RetentionApp, chosen: Settings) -> None:
    engine = connect(locate(chosen).database_url, pooled=False)
    try:
        check_schema(engine)
        trace_tasks(app)
        pulse.start(chosen.alive_file, stuck_seconds=chosen.stuck_seconds)
    except RetentionError as error:
        end(error)
