"""The Celery application, put together from the settings."""

from datetime import UTC, datetime

from tasks import dispatch, drain, erase_files, export, finish, measure, recover, run, sweep, verify_on
from tasks.base import RetentionApp, Runtime
from tasks.pace import Pace
from worker.broker import IMPATIENT, broker_time
from worker.database import check_schema, connect
from worker.servers import Addresses
from worker.settings import Settings

__all__ = ["TASKS", "create_app", "create_client"]

TASKS = (dispatch, drain, erase_files, export, finish, measure, recover, run, sweep, verify_on)

# A drain task takes up batches for this long and then queues itself again: that is also how long a worker
# takes to stop without breaking anything off.
DRAIN_SECONDS = 5


def create_app(settings: Settings, addresses: Addresses) -> RetentionApp:
    """Return the application for these settings; connects to nothing yet."""
    app = RetentionApp("retention", broker=addresses.broker_url, set_as_current=True)
    app.config_from_object("celeryconfig")
    engine = connect(addresses.database_url)
    app.runtime = Runtime(
        engine=engine,
        policies=settings.policies,
        batch_accounts=settings.batch_accounts,
        drains=settings.drains,
        drain_seconds=DRAIN_SECONDS,
        pace=Pace(engine, most=settings.rest_multiple, lanes=settings.drains),
        limits=settings.limits,
        broker_clock=lambda: datetime.fromtimestamp(broker_time(app), UTC),
        check_schema=lambda: check_schema(engine),
        documents_url=settings.documents_url,
        export_url=settings.export_url,
    )
    return app


def create_client(settings: Settings, addresses: Addresses) -> RetentionApp:
    """Return the application for whoever asks and waits for the answer: the command line and the web server.

    It gives up within seconds a broker that does not answer; a worker waits for its own.
    """
    app = create_app(settings, addresses)
    app.conf.broker_transport_options = app.conf.broker_transport_options | IMPATIENT
    app.conf.task_publish_retry_policy = app.conf.task_publish_retry_policy | {"max_retries": 1}
    return app
