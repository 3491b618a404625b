"""Celery's own settings, as literals, and the beat schedule; what depends on the deployment is added in worker/app.py.

The times are in one order: drain budget (5 s) < soft limit < hard limit < visibility timeout.
"""

from datetime import datetime, timedelta
from typing import Any

from celery.schedules import crontab

timezone = "UTC"
enable_utc = True

task_serializer = "json"
accept_content = ["json"]
task_default_queue = "retention"
# Outcomes are rows of ours; a result backend would only be one more thing to fail.
task_ignore_result = True

# A task that its worker did not live to finish is delivered again; all of them are safe to run twice.
task_acks_late = True
task_reject_on_worker_lost = True
task_soft_time_limit = 60
task_time_limit = 120
worker_prefetch_multiplier = 1
worker_enable_prefetch_count_reduction = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_max_tasks_per_child = 500
worker_hijack_root_logger = False
worker_send_task_events = True
task_send_sent_event = True

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that is full, or a replica for a while, refuses what a worker writes when it takes a message: waited out, too.
broker_channel_error_retry = True
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.5, "interval_max": 1}
broker_transport_options = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "retry_on_timeout": True,
    "health_check_interval": 10,
    "global_keyprefix": "retention:",
}

# Beat knows no policy and remembers nothing: ticks are claimed in the database.
beat_scheduler = "worker.daemons:Scheduler"
beat_max_loop_interval = 5


class EachMinute(crontab):
    """What comes each minute, so many seconds after it has begun."""

    def __init__(self, *, at_second: int) -> None:
        super().__init__()
        self.after = timedelta(seconds=at_second)

    def remaining_estimate(self, last_run_at: datetime, *how: Any, **more: Any) -> timedelta:
        """Return the time until it comes next, nothing or less where it is due; as a crontab that long ago would."""
        return super().remaining_estimate(last_run_at - self.after, *how, **more) + self.after


# One after another: all at once they would take every processor from whoever else is at work.
beat_schedule = {
    name: {"task": f"retention.{name}", "schedule": EachMinute(at_second=second), "options": {"expires": 55}}
    for name, second in {"dispatch": 0, "verify": 20, "measure": 40}.items()
}
