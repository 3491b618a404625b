"""When beat dispatches next, whatever its clock has said before."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from worker.daemons import Scheduler


@pytest.fixture
def scheduler():
    app = Celery(set_as_current=False)
    app.config_from_object("celeryconfig")
    return Scheduler(app)


@pytest.mark.parametrize(("second", "name", "seconds"), [(5, "verify", 15), (25, "measure", 15), (45, "dispatch", 15)])
def test_what_comes_each_minute_comes_at_a_second_of_its_own(scheduler, second, name, seconds):
    now = datetime(2026, 11, 28, 12, 30, second, tzinfo=UTC)
    for entry in scheduler.schedule.values():
        entry.schedule.nowfun = lambda: now
        entry.last_run_at = now
    scheduler.max_interval = 60
    assert scheduler.tick() == pytest.approx(seconds, abs=0.1)
    now += timedelta(seconds=seconds)
    assert [each for each, entry in scheduler.schedule.items() if scheduler.is_due(entry).is_due] == [name]
    assert scheduler.schedule[name].task == f"retention.{name}"


@pytest.mark.parametrize("ahead", [timedelta(hours=7), timedelta(days=6 * 365)], ids=["hours", "years"])
def test_a_beat_whose_clock_was_ahead_ticks_within_a_minute_of_its_being_put_right(scheduler, ahead):
    entry = scheduler.schedule["dispatch"]
    entry.last_run_at = entry.default_now() + ahead
    _, seconds = scheduler.is_due(entry)
    assert seconds <= 60
