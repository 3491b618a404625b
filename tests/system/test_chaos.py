"""The fault campaign, in short: a few faults, and three mistakes that it has to see. `make chaos` does all."""

import pytest
from chaos.campaign import MOST_TICKS, strike
from chaos.gate import Point
from chaos.planting import PLANTS, find
from chaos.servers import Servers

SEED = 1


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    return Servers(tmp_path_factory.mktemp("servers"))


@pytest.mark.parametrize(
    ("fault", "point"),
    [
        ("postgresql crashed", Point.ANSWER),
        ("redis emptied", Point.TICK),
        ("messages malformed", Point.CLAIM),
        ("worker killed", Point.END),
    ],
)
def test_whatever_strikes_all_comes_right_by_itself(servers, tmp_path, fault, point):
    done = strike(servers, tmp_path, fault, point, SEED)
    assert (done.findings, done.not_struck) == ({}, "")
    assert done.ticks <= MOST_TICKS
    assert done.acted


@pytest.mark.parametrize("plant", ["torn", "impatient", "forgotten"])
def test_a_mistake_is_seen(servers, tmp_path, plant):
    assert find(PLANTS[plant], servers, tmp_path)
