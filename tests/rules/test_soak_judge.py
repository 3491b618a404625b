"""What a soak's figures are found guilty of, and what a fault excuses."""

import itertools
from dataclasses import replace

import pytest
from soak.judge import findings
from soak.run import Seen, Terms
from soak.seen import Process, Sample
from soak.strikes import Strike, aims_at_processes, plan

TERMS = Terms(seed=1)
NAMES = ["redis killed", "worker killed", "read only"]


def a_sample(at, *, memory=60.0, connections=14, keys=5, waiting=20, processes=1):
    return Sample(
        at=at,
        processes=tuple(Process("child", f"{number} of 1", memory, 20, 1) for number in range(processes)),
        database={"retention": connections},
        redis={"keys": keys, "members": 13, "queue": 0, "unacked": 0, "memory": 1.9},
        waiting={"accounts": waiting, "seconds": 20.0, "sweeps": 0},
        fault=None,
        processor=1.0,
    )


def a_seen(figures=lambda second: {}, **changes):
    """An hour of which nothing can be said, but for what is changed; `figures` are a sample's at a second."""
    samples = [a_sample(second, **figures(second)) for second in SECONDS]
    waited = [(second / 60, 30.0) for second in SECONDS]
    sound = Seen(TERMS, 0.0, samples, [], 20.0, waited, 100, 100, {}, {})
    return replace(sound, **changes)


SECONDS = range(0, 3600, 10)
REDIS_EMPTIED = Strike("redis emptied", at=1800.0, lasts=1.0)


def test_an_hour_of_which_nothing_can_be_said_is_sound():
    assert findings(a_seen()) == {}


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (lambda second: {"memory": 60 + second / 120}, "memory of child grows"),
        (lambda second: {"connections": 14 + second // 300}, "connections of retention grow"),
        (lambda second: {"keys": 5 + second // 60}, "keys of Redis grow"),
    ],
)
def test_what_grows_is_named(figures, name):
    assert findings(a_seen(figures)).keys() == {name}


def test_a_connection_for_each_process_is_no_growth_and_one_more_now_and_then_is():
    def many(second):
        return {"processes": 12, "connections": 2 if second < 2000 else 15}

    assert findings(a_seen(many)) == {}
    leaking = a_seen(lambda second: many(second) | {"connections": second // 100})
    assert findings(leaking).keys() == {"connections of retention grow"}


def test_keys_that_are_lost_when_redis_is_emptied_are_seen_to_grow_before_and_after():
    seen = a_seen(lambda second: {"keys": 5 + second % 1800 // 60}, struck=[REDIS_EMPTIED])
    assert findings(seen).keys() == {"keys of Redis grow"}


def test_who_waited_for_three_ticks_is_late_unless_there_was_a_fault():
    late = [*a_seen().waited, (40.0, 200.0)]
    assert findings(a_seen(waited=late)).keys() == {"accounts waited without a fault"}
    for at in (2210.0, 2150.0, 2350.0):
        assert findings(a_seen(waited=late, struck=[Strike("read only", at=at, lasts=10.0)])) == {}
    assert findings(a_seen(waited=late, struck=[Strike("read only", at=1800.0, lasts=10.0)]))


def test_lateness_that_grows_is_found_before_anybody_is_late():
    waited = [(second / 60, 30 + second / 60) for second in SECONDS]
    assert findings(a_seen(waited=waited)).keys() == {"accounts wait ever longer"}
    assert findings(a_seen(waited=[])).keys() == {"nobody was acted on"}


def test_what_did_not_happen_or_did_not_come_to_rest_is_found():
    failed = replace(REDIS_EMPTIED, failed="OSError: no")
    assert findings(a_seen(struck=[failed])) == {"the fault redis emptied did not happen": "OSError: no"}
    assert findings(a_seen(rested=None)).keys() == {"it did not come to rest"}
    assert findings(a_seen(broken={"a promise": "1"})) == {"a promise": "1"}


def test_each_fault_strikes_before_any_strikes_again_the_same_for_the_same_seed():
    planned = list(plan(NAMES, 1, seconds=3600, every=180))
    assert list(plan(NAMES, 1, seconds=3600, every=180)) == planned
    assert {each.fault for each in planned[:3]} == set(NAMES)
    assert all(before.at + before.lasts < after.at for before, after in itertools.pairwise(planned))
    assert planned[-1].at + planned[-1].lasts < 3600 - 180


def test_only_a_fault_that_is_aimed_at_processes_may_end_one():
    assert [each for each in NAMES if Strike(each, 0, 1).may_end("worker")] == ["worker killed"]


def test_what_ends_processes_strikes_first_and_once_so_that_others_live_long_enough_to_be_judged():
    assert [each for each in NAMES if aims_at_processes(each)] == ["worker killed"]
    for seed in range(20):
        names = [each.fault for each in plan(NAMES, seed, seconds=3600, every=180)]
        assert names[0] == "worker killed"
        assert "worker killed" not in names[1:]


def test_a_fault_covers_what_it_ends_and_what_follows_it_and_nothing_before_or_long_after():
    strike = Strike("sessions ended", at=1000.0, lasts=10.0)
    assert strike.covers(999.0, 1000.5)
    assert strike.covers(1005.0)
    assert strike.covers(1060.0, 1090.0)
    assert not strike.covers(990.0, 999.0)
    assert not strike.covers(999.0)
    assert not strike.covers(1071.0, 1080.0)
