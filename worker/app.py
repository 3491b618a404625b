"""The Celery application, put together from the settings."""

from tasks import dispatch, export, measure, recover, run, sweep
from tasks.base import RetentionApp, Runtime
from worker.database import connect
from worker.servers import Addresses
from worker.settings import Settings

__all__ = ["TASKS", "create_app"]

TASKS = (dispatch, export, measure, recover, run, sweep)

# A drain task takes up batches for this long and then queues itself again: that is also how long a worker
# takes to stop without breaking anything off.
DRAIN_SECONDS = 5


def create_app(settings: Settings, addresses: Addresses) -> RetentionApp:
    """Return the application for these settings; connects to nothing yet."""
    app = RetentionApp("retention", broker=addresses.broker_url, set_as_current=True)
    app.config_from_object("celeryconfig")
    app.runtime = Runtime(
        engine=connect(addresses.database_url),
        policies=settings.policies,
        batch_accounts=settings.batch_accounts,
        drains=settings.drains,
        drain_seconds=DRAIN_SECONDS,
        export_url=settings.export_url,
    )
    return app
