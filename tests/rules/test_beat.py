"""When beat dispatches next, whatever its clock has said before."""

from datetime import timedelta

import pytest
from celery import Celery

from worker.daemons import Scheduler


@pytest.mark.parametrize("ahead", [timedelta(hours=7), timedelta(days=6 * 365)], ids=["hours", "years"])
def test_a_beat_whose_clock_was_ahead_ticks_within_a_minute_of_its_being_put_right(ahead):
    app = Celery(set_as_current=False)
    app.config_from_object("celeryconfig")
    scheduler = Scheduler(app)
    entry = scheduler.schedule["dispatch"]
    entry.last_run_at = entry.default_now() + ahead
    _, seconds = scheduler.is_due(entry)
    assert seconds <= 60
