"""The fault campaign, in short: a few faults, and a mistake that it has to see. `make chaos` does all."""

import pytest
from chaos.__main__ import PLANTS
from chaos.campaign import MOST_TICKS, strike
from chaos.gate import Point
from own_servers import OwnServers

SEED = 1


@pytest.mark.parametrize(
    ("fault", "point"),
    [
        ("postgresql crashed", Point.ANSWER),
        ("redis emptied", Point.COMMIT),
        ("messages malformed", Point.CLAIM),
    ],
)
def test_whatever_strikes_all_comes_right_by_itself(tmp_path, fault, point):
    done = strike(OwnServers(tmp_path / "servers", database=True), tmp_path, fault, point, SEED)
    assert done.findings == {}
    assert done.ticks <= MOST_TICKS
    assert done.acted


def test_a_mistake_is_seen(tmp_path):
    mistake = {"PYTHONPATH": str(PLANTS), "CHAOS_PLANT": "torn"}
    servers = OwnServers(tmp_path / "servers", database=True)
    done = strike(servers, tmp_path, "worker killed", Point.CHAIN, SEED, most_ticks=4, **mistake)
    assert "a receipt and its actions differ" in done.findings
