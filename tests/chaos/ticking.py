"""What `celery -A chaos.ticking beat` finds: the worker's own application, with a minute's tick each five seconds."""

from datetime import timedelta

from worker.celery import app

__all__ = ["TICK_SECONDS", "app"]

TICK_SECONDS = 5

app.conf.beat_schedule = {
    name: entry | {"schedule": timedelta(seconds=TICK_SECONDS)} for name, entry in app.conf.beat_schedule.items()
}
