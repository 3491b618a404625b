"""How long a lane rests: not at all where nobody else is, never longer than it may."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.pace import BEHIND_BYTES, GLANCES, MOST_SECONDS, Signs, catches_up, is_alone, met, rest, smoothed

CALM = Signs(busy=0, waiting=0, behind=0, forced=3)
MOST = 99
counts = st.integers(0, 1000)
signs = st.builds(Signs, counts, counts, st.integers(0, 10 * BEHIND_BYTES), counts)


def resting(now, busy=0.0, before=CALM, seconds=0.01, most=MOST):
    return rest(seconds, busy=busy, signs=now, before=before, most=most)


def test_where_nobody_else_is_at_work_nobody_rests():
    assert resting(CALM) == 0
    assert resting(replace(CALM, behind=BEHIND_BYTES)) == 0
    assert resting(replace(CALM, forced=4)) == 0


@pytest.mark.parametrize("place", range(GLANCES))
def test_whoever_was_met_once_before_a_first_batch_is_not_nobody(place):
    looks = [CALM] * GLANCES
    assert is_alone(met(looks))
    looks[place] = replace(CALM, busy=1)
    assert not is_alone(met(looks))


def test_the_more_are_at_work_the_longer_it_rests():
    assert 0 < resting(CALM, busy=0.5) < resting(CALM, busy=1) < resting(CALM, busy=2)


def test_forced_checkpoints_double_the_rest():
    assert resting(replace(CALM, forced=4), busy=1) == 2 * resting(CALM, busy=1)


@pytest.mark.parametrize("pressed", [{"waiting": 1}, {"behind": BEHIND_BYTES + 1}])
def test_whoever_waits_and_a_replica_that_falls_behind_get_the_longest_rest(pressed):
    assert resting(replace(CALM, **pressed)) == pytest.approx(0.01 * MOST)


@pytest.mark.parametrize("seconds", [0, 0.001, 1])
def test_a_replica_that_catches_up_gets_a_whole_rest_whatever_the_batch_took(seconds):
    lagging = replace(CALM, behind=BEHIND_BYTES + 2)
    nearer, there = replace(lagging, behind=BEHIND_BYTES + 1), replace(lagging, behind=BEHIND_BYTES)
    assert resting(nearer, before=lagging, seconds=seconds) == MOST_SECONDS
    assert resting(there, before=nearer, seconds=seconds) == 0


@given(signs, signs)
def test_of_two_looks_only_one_can_have_seen_a_replica_catch_up(now, then):
    assert not (catches_up(now, then) and catches_up(then, now))
    assert not catches_up(now, now)


@given(signs, st.floats(0, 1e6), signs, st.floats(0, 100), st.floats(0, 99))
def test_no_rest_is_longer_than_it_may(now, busy, before, seconds, most):
    longest = MOST_SECONDS if catches_up(now, before) else min(seconds * most, MOST_SECONDS)
    assert 0 <= resting(now, busy, before, seconds, most) <= longest


@given(st.lists(signs, min_size=1), st.floats(0, 99), signs)
def test_none_is_without_rest(looks, busy, before):
    assert all(resting(now, busy, before, most=0) == 0 for now in looks)


def test_who_was_at_work_is_forgotten_only_after_some_looks():
    busy = smoothed(None, replace(CALM, busy=1))
    looks = 0
    while not is_alone(busy):
        busy, looks = smoothed(busy, CALM), looks + 1
    assert 10 < looks < 20


def test_one_look_alone_is_no_load_but_many_are():
    busy = smoothed(None, CALM)
    looked = [busy := smoothed(busy, replace(CALM, busy=10)) for _ in range(30)]
    assert looked[0] == 2
    assert looked[-1] == pytest.approx(10, abs=0.1)


@given(st.lists(signs, min_size=1))
def test_the_smoothed_count_is_between_the_least_and_the_most_seen(looks):
    busy = None
    for each in looks:
        busy = smoothed(busy, each)
    assert min(each.busy for each in looks) - 1e-9 <= busy <= max(each.busy for each in looks) + 1e-9
