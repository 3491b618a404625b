"""What a soak calls growth: every leak that matters, whatever noise is around it, and no noise."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soak.growth import BOUNDS, growth, quarters, slope

MEMORY = BOUNDS["memory"]
WARM_UP = 5
seeds = st.integers(0, 2**32)


def a_life(minutes, *, leak=0.0, begins=0.0, noise=0.4, random=None, caches=20.0):
    """A process that fills its caches within minutes, and leaks; its memory is seen each ten seconds."""
    random = random or Random(1)
    return [
        (begins + at / 6, 60 + caches * min(1, at / 6 / WARM_UP) + leak * at / 6 + random.gauss(0, noise))
        for at in range(int(minutes * 6))
    ]


@given(seed=seeds)
def test_half_a_megabyte_a_minute_is_found_within_one_life_of_half_an_hour(seed):
    assert growth([a_life(30, leak=0.5, random=Random(seed))], MEMORY, warm_up=WARM_UP)


@given(seed=seeds)
def test_it_is_found_too_where_faults_end_each_process_after_a_quarter_of_an_hour(seed):
    random = Random(seed)
    lives = [a_life(15, leak=0.5, begins=begins, random=random) for begins in range(0, 60, 15)]
    assert growth(lives, MEMORY, warm_up=WARM_UP)


@given(seed=seeds)
def test_it_is_found_too_in_one_process_of_eight(seed):
    random = Random(seed)
    lives = [a_life(30, random=random) for _ in range(7)] + [a_life(30, leak=0.5, random=random)]
    assert growth(lives, MEMORY, warm_up=WARM_UP)


@given(seed=seeds, minutes=st.integers(6, 60))
def test_noise_and_caches_that_fill_are_no_growth(seed, minutes):
    random = Random(seed)
    lives = [a_life(minutes, noise=1.5, random=random) for _ in range(8)]
    assert growth(lives, MEMORY, warm_up=WARM_UP) is None


@given(seed=seeds, at=st.integers(5, 54), step=st.floats(0, 30))
def test_a_step_is_no_growth(seed, at, step):
    life = [(minute, figure + (step if minute > at else 0)) for minute, figure in a_life(60, random=Random(seed))]
    assert growth([life], MEMORY, warm_up=WARM_UP) is None


def test_who_lived_too_short_to_be_judged_is_not():
    assert growth([a_life(4, leak=50)], MEMORY, warm_up=WARM_UP) is None
    assert growth([], MEMORY, warm_up=WARM_UP) is None


def test_a_connection_that_each_task_leaves_is_found():
    life = [(minute, 20 + minute // 3) for minute in range(30)]
    assert growth([life], BOUNDS["files"], warm_up=WARM_UP)


def test_a_slope_is_by_the_minute_and_not_moved_by_what_strays():
    points = [(minute, 2.0 * minute) for minute in range(60)]
    points[10] = (10, 5000.0)
    assert slope(points) == pytest.approx(2.0)
    assert slope([(0, 1.0)]) == 0


def test_quarters_are_of_what_comes_after_the_warm_up():
    first, last = quarters([(minute, float(minute)) for minute in range(61)], warm_up=20)
    assert (first, last) == ([float(n) for n in range(20, 31)], [float(n) for n in range(50, 61)])
