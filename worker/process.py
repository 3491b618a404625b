"""What a Celery process of ours does at its start and around its forks."""

import sys
from typing import NoReturn

from celery.signals import celeryd_init, setup_logging, worker_process_init, worker_process_shutdown

from models.errors import RetentionError
from tasks.base import RetentionApp
from worker.alive import show_life
from worker.app import create_app
from worker.database import check_schema, connect
from worker.exits import exit_code
from worker.logs import configure_logs
from worker.servers import locate
from worker.settings import settings

__all__ = ["process_app"]


def process_app() -> RetentionApp:
    """Return the application for this process's environment; ends the process where that cannot be."""
    try:
        chosen = settings()
        app = create_app(chosen, locate(chosen))
    except RetentionError as error:
        _end(error)
    # Weak references would let the handlers go with this function.
    setup_logging.connect(lambda **_: configure_logs(chosen.log_level), weak=False)
    celeryd_init.connect(lambda **_: _refuse_wrong_schema(), weak=False)
    if chosen.alive_file is not None:
        show_life(app, chosen.alive_file)
    # A connection shared across a fork mixes up rows; the parent opens none, and a child starts with none.
    worker_process_init.connect(lambda **_: app.runtime.engine.dispose(close=False), weak=False)
    worker_process_shutdown.connect(lambda **_: app.runtime.engine.dispose(), weak=False)
    return app


def _refuse_wrong_schema() -> None:
    engine = connect(locate(settings()).database_url, pooled=False)
    try:
        check_schema(engine)
    except RetentionError as error:
        _end(error)


def _end(error: RetentionError) -> NoReturn:
    print(f"retention: {error}", file=sys.stderr)  # noqa: T201 - the log is not set up yet
    sys.exit(exit_code(error))
