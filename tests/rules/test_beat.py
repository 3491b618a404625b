"""When beat dispatches next, whatever its clock has said before."""

import copy
import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from celeryconfig import EachMinute
from worker.daemons import Scheduler


@pytest.fixture
def scheduler():
    app = Celery(set_as_current=False)
    app.config_from_object("celeryconfig")
    return Scheduler(app)


@pytest.fixture
def clock(scheduler, monkeypatch):
    """A clock of the scheduler's own, and what it has sent by it: pairs of a task and an instant."""
    clock = Clock()
    for entry in scheduler.schedule.values():
        entry.schedule.nowfun = lambda: clock.now
        entry.last_run_at = clock.now
    scheduler.producer = None  # it would connect
    monkeypatch.setattr(scheduler, "apply_async", lambda entry, **_: clock.sent.append((entry.task, clock.now)))
    return clock


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 28, 12, 29, 50, tzinfo=UTC)
        self.sent = []

    def run(self, scheduler, minutes):
        """Let time pass, and the scheduler look ten times a second, as soon as it wants to."""
        ends = self.now + timedelta(minutes=minutes)
        self.sent.clear()
        while self.now < ends:
            self.now += timedelta(seconds=max(0.1, scheduler.tick()))
        return Counter(task for task, _ in self.sent)


ALL = {"retention.dispatch": 0, "retention.verify": 20, "retention.measure": 40}


def test_what_comes_each_minute_comes_at_a_second_of_its_own(scheduler, clock):
    assert clock.run(scheduler, 10) == dict.fromkeys(ALL, 10)
    assert {(task, at.second) for task, at in clock.sent} == {*ALL.items()}


@pytest.mark.parametrize(
    "step",
    [timedelta(hours=-7), timedelta(days=-6 * 365), timedelta(seconds=-45), timedelta(hours=7), timedelta(days=2000)],
    ids=str,
)
def test_a_clock_that_is_put_right_silences_nothing(scheduler, clock, step):
    clock.run(scheduler, 3)
    clock.now += step
    sent = clock.run(scheduler, 10)
    assert sent.keys() == ALL.keys()
    assert all(9 <= times <= 11 for times in sent.values())


def test_schedules_are_told_apart_and_outlive_a_copy():
    one, other = EachMinute(at_second=0), EachMinute(at_second=40)
    assert one != other
    assert copy.deepcopy(other) == pickle.loads(pickle.dumps(other)) == other
    assert repr(other) == "<each minute, after 40 s>"
