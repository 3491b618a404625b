"""The soak in short: nothing grows under load and a fault; and each planted leak is seen. `make soak` is an hour."""

import pytest
from chaos.servers import Servers
from soak.__main__ import planted
from soak.judge import findings
from soak.run import Terms, soak

SHORT = {"seed": 1, "minutes": 1.0, "rate": 10, "accounts": 200, "look": 1, "pause": 0.05, "hurry": 2}
# A child takes twenty-two megabytes with its first tasks, and a slow machine comes to few of them in half a minute.
SHORT |= {"warm_up": 0.5, "caches": 25}

# A soak's length is its own; a machine with much else to do needs longer to start it, and to come to rest.
pytestmark = pytest.mark.timeout(900)


def test_nothing_grows_and_nothing_is_late(tmp_path):
    seen = soak(Servers(tmp_path / "servers"), tmp_path, Terms(**SHORT, every=0.7), faults=["sessions ended"])
    assert findings(seen) == {}
    assert [strike.fault for strike in seen.struck] == ["sessions ended"]
    assert seen.waited
    assert seen.acts
    assert seen.samples[-1].processes
    assert seen.samples[-1].database
    assert seen.samples[-1].redis


def test_leaks_are_seen(tmp_path):
    mistake = planted(["memory", "connection", "key"], minutes=SHORT["minutes"])
    found = findings(soak(Servers(tmp_path / "servers"), tmp_path, Terms(**SHORT, every=None), **mistake))
    assert found.keys() >= {
        "memory of child grows",
        "connections of others grow",
        "Redis holds more at the end than at the beginning",
    }
