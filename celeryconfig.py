"""Celery's own settings, as literals, and the beat schedule; what depends on the deployment is added in worker/app.py.

The times are in one order: drain budget (5 s) < soft limit < hard limit < visibility timeout.
"""

from datetime import datetime, timedelta

from celery.schedules import BaseSchedule, schedstate

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


class EachMinute(BaseSchedule):
    """What comes each minute, so many seconds after it has begun."""

    def __init__(self, *, at_second: int) -> None:
        super().__init__()
        self.after = timedelta(seconds=at_second)

    def __repr__(self) -> str:
        """Say when it comes."""
        return f"<each minute, after {self.after.seconds} s>"

    def __eq__(self, other: object) -> bool:
        """Say whether the other comes at the same time."""
        return isinstance(other, EachMinute) and self.after == other.after

    def __hash__(self) -> int:
        """Return the same for what is equal."""
        return hash(self.after)

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Say whether it has come again since it last did, and in how many seconds it comes next."""
        remaining = self.remaining_estimate(last_run_at)
        is_due = remaining <= timedelta()
        return schedstate(is_due, (self.remaining_estimate(self.now()) if is_due else remaining).total_seconds())

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return the time until it comes; nothing or less where it is due."""
        last_minute = (last_run_at - self.after).replace(second=0, microsecond=0)
        return last_minute + timedelta(minutes=1) + self.after - self.now()


# One after another: all at once they would take every processor from whoever else is at work.
beat_schedule = {
    name: {"task": f"retention.{name}", "schedule": EachMinute(at_second=second), "options": {"expires": 55}}
    for name, second in {"dispatch": 0, "verify": 20, "measure": 40}.items()
}
