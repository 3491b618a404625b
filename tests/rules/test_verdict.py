"""Is everything on time: the light that operators look at, by facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import PolicyName
from tasks.rules.verdict import Level, Machinery, Matter, Progress, judge, worst

NOW = datetime(2027, 3, 10, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PURGE, COUNTER_ONLY = PolicyName.PURGE, PolicyName.COUNTER_ONLY
WELL = Machinery(beat_alive=True, beat_heard_at=NOW, workers=2, measured_at=NOW - MINUTE, verified_at=NOW - DAY)
IDLE = Progress(overdue=0, ended_at=NOW - timedelta(hours=2))
LATE = replace(IDLE, overdue=7, oldest_due_at=NOW - timedelta(hours=10))


def found(progress=IDLE, machinery=WELL):
    concerns = judge(NOW, {PURGE: progress, COUNTER_ONLY: IDLE}, machinery)
    return {(each.matter, each.level) for each in concerns}


def test_nothing_is_said_where_all_is_as_it_should_be():
    assert judge(NOW, {PURGE: IDLE, COUNTER_ONLY: IDLE}, WELL) == []
    assert worst([]) is Level.FINE


@pytest.mark.parametrize(
    ("change", "matter", "level"),
    [
        ({"beat_alive": False}, Matter.BEAT_SILENT, Level.STOPPED),
        ({"workers": None}, Matter.BROKER_AWAY, Level.STOPPED),
        ({"workers": 0}, Matter.NO_WORKER, Level.STOPPED),
        ({"measured_at": None}, Matter.NOT_MEASURED, Level.LOOK),
        ({"measured_at": NOW - 6 * MINUTE}, Matter.NOT_MEASURED, Level.LOOK),
        ({"verified_at": None, "log_began_at": NOW - 9 * DAY}, Matter.UNVERIFIED, Level.LOOK),
        ({"verified_at": NOW - 9 * DAY}, Matter.UNVERIFIED, Level.LOOK),
        ({"counts": {Matter.ANOMALIES: 1}}, Matter.ANOMALIES, Level.LOOK),
        ({"counts": {Matter.QUARANTINE: 1}}, Matter.QUARANTINE, Level.LOOK),
    ],
)
def test_each_part_of_the_machinery_is_judged_alone(change, matter, level):
    assert found(machinery=replace(WELL, **change)) == {(matter, level)}


@pytest.mark.parametrize("began", [None, NOW - 7 * DAY])
def test_a_log_that_began_this_week_has_not_to_be_verified_yet(began):
    assert found(machinery=replace(WELL, verified_at=None, log_began_at=began)) == set()


def test_of_equals_what_waits_for_a_decision_comes_first():
    held = replace(IDLE, held={3: NOW - DAY})
    concerns = judge(NOW, {PURGE: held}, replace(WELL, counts={Matter.ANOMALIES: 1}))
    assert [each.matter for each in concerns] == [Matter.HELD, Matter.ANOMALIES]


def test_what_counts_nothing_is_no_concern():
    assert found(machinery=replace(WELL, counts={Matter.ANOMALIES: 0, Matter.FILES_REFUSED: 0})) == set()


def test_overdue_with_nothing_at_work_is_late():
    (concern,) = judge(NOW, {PURGE: LATE}, WELL)
    assert (concern.matter, concern.level) == (Matter.OVERDUE, Level.LATE)
    assert (concern.policy, concern.number, concern.since) == (PURGE, 7, LATE.oldest_due_at)


def test_overdue_that_a_sweep_is_working_on_is_no_lateness():
    assert found(replace(LATE, heard_at=NOW - MINUTE)) == {(Matter.CATCHING_UP, Level.FINE)}


def test_a_missed_day_that_is_being_caught_up_is_worth_a_look():
    missed = replace(LATE, heard_at=NOW, oldest_due_at=NOW - 3 * DAY)
    assert found(missed) == {(Matter.CATCHING_UP, Level.LOOK)}


def test_a_sweep_that_gives_no_sign_hides_no_lateness():
    assert found(replace(LATE, heard_at=NOW - 11 * MINUTE)) == {(Matter.SILENT_SWEEP, Level.LATE)}


def test_what_was_counted_before_the_sweep_ended_is_not_called_late():
    assert found(replace(LATE, ended_at=NOW)) == {(Matter.CATCHING_UP, Level.FINE)}
    assert found(replace(LATE, ended_at=NOW - 2 * MINUTE)) == {(Matter.OVERDUE, Level.LATE)}


@pytest.mark.parametrize(
    ("change", "matter"),
    [
        ({"paused_since": NOW - DAY}, Matter.PAUSED),
        ({"held": {3: NOW - DAY}}, Matter.HELD),
        ({"failed": 4}, Matter.FAILED),
    ],
)
def test_what_stops_a_policy_is_worth_a_look_and_late_once_somebody_waits(change, matter):
    assert found(replace(IDLE, **change)) == {(matter, Level.LOOK)}
    assert found(replace(LATE, **change)) == {(matter, Level.LATE), (Matter.OVERDUE, Level.LATE)}


def test_a_sweep_under_way_does_not_work_on_a_paused_policy():
    stopped = replace(LATE, heard_at=NOW, paused_since=NOW)
    assert (Matter.OVERDUE, Level.LATE) in found(stopped)


@given(
    overdue=st.integers(0, 5),
    paused=st.booleans(),
    held=st.booleans(),
    workers=st.none() | st.integers(0, 2),
    beat=st.booleans(),
)
def test_the_worst_comes_first_and_decides(overdue, paused, held, workers, beat):
    progress = replace(LATE, overdue=overdue, paused_since=NOW if paused else None, held={1: NOW - DAY} if held else {})
    concerns = judge(NOW, {PURGE: progress}, replace(WELL, workers=workers, beat_alive=beat))
    levels = [each.level for each in concerns]
    assert levels == sorted(levels, reverse=True)
    assert worst(concerns) == max(levels, default=Level.FINE)
    assert (worst(concerns) is Level.LATE) == (overdue > 0)
    if not overdue:
        assert (worst(concerns) is Level.STOPPED) == (not workers or not beat)
