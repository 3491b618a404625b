"""What each gate decides, by its numbers alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.ceiling import allowances, ceiling_stops, enough_accounts
from tasks.rules.clocks import clock_stops, goes_on
from tasks.rules.gate import Gate, Limits, Stop, is_lasting
from tasks.rules.policy_change import change_stops, other_worker_stops
from worker.settings import Settings

LIMITS = Limits(accounts=1000, share=0.5, forecast=2, floor=0, skew_seconds=60, gap_days=7, canary_accounts=20)
NOW = datetime(2027, 3, 10, 1, tzinfo=UTC)
MOMENT = timedelta.resolution
PURGE = Settings().policies.purge


def ceilings_hit(limits, *, accounts, all_accounts=10_000, expected=None):
    allowed = allowances(limits, all_accounts=all_accounts, expected=expected)
    return {stop.numbers["ceiling"]: stop.numbers["allowed"] for stop in ceiling_stops(allowed, accounts=accounts)}


@pytest.mark.parametrize(
    ("limits", "most", "given"),
    [
        ({"accounts": 10}, 10, {"all_accounts": 15}),
        ({"share": 0.25}, 10, {"all_accounts": 40}),
        ({"forecast": 2.5}, 10, {"expected": 4}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_ceiling_stops_one_account_above_it_alone_while_the_others_would_let_it_pass(limits, most, given):
    wide = replace(LIMITS, accounts=1000, share=1, forecast=1e6)
    assert ceilings_hit(replace(wide, **limits), accounts=most, **given) == {}
    assert ceilings_hit(replace(wide, **limits), accounts=most + 1, **given) == {next(iter(limits)): most}


@pytest.mark.parametrize("ceiling", ["accounts", "share", "forecast"])
@pytest.mark.parametrize("expected", [None, 0, 1000])
def test_a_limit_of_zero_allows_nothing_whatever_the_floor_and_the_forecast(ceiling, expected):
    limits = replace(LIMITS, floor=100, **{ceiling: 0})
    assert ceilings_hit(limits, accounts=1, expected=expected) == {ceiling: 0}
    assert ceilings_hit(limits, accounts=0, expected=expected) == {}


def test_the_floor_is_allowed_by_share_and_forecast_and_not_by_the_absolute_ceiling():
    limits = replace(LIMITS, accounts=50, floor=100)
    assert ceilings_hit(limits, accounts=100, all_accounts=3, expected=0) == {"accounts": 50}
    assert ceilings_hit(limits, accounts=101, all_accounts=3, expected=0) == {
        "accounts": 50,
        "share": 100,
        "forecast": 100,
    }


def test_nothing_forecast_is_a_forecast_of_nothing_and_no_forecast_is_not_judged():
    assert ceilings_hit(LIMITS, accounts=1, expected=0) == {"forecast": 0}
    assert ceilings_hit(LIMITS, accounts=1, expected=None) == {}


def test_a_share_is_the_number_as_it_was_written():
    """As floats, 0.29 * 100 is 28.999999999999996."""
    assert allowances(replace(LIMITS, share=0.29), all_accounts=100, expected=None)["share"] == 29


SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(
    limits=st.builds(
        Limits,
        accounts=st.integers(0, 200),
        share=SHARES,
        forecast=st.integers(0, 50).map(lambda tenths: tenths / 10),
        floor=st.integers(0, 100),
        skew_seconds=st.just(60),
        gap_days=st.just(7),
        canary_accounts=st.just(20),
    ),
    all_accounts=st.integers(0, 10_000),
    expected=st.none() | st.integers(0, 1000),
    accounts=st.integers(0, 500),
)
def test_who_counts_only_enough_accounts_decides_as_who_counts_them_all(limits, all_accounts, expected, accounts):
    counted = min(all_accounts, enough_accounts(limits, accounts=accounts))
    stopped = bool(ceilings_hit(limits, accounts=accounts, all_accounts=counted, expected=expected))
    share = Fraction(str(limits.share)) * all_accounts
    forecast = None if expected is None else Fraction(str(limits.forecast)) * expected
    beyond = accounts > limits.accounts
    beyond |= accounts > max(share, limits.floor) if limits.share else accounts > 0
    if limits.forecast == 0:
        beyond |= accounts > 0
    elif forecast is not None:
        beyond |= accounts > max(forecast, limits.floor)
    assert stopped == beyond


@given(
    limits=st.builds(replace, st.just(LIMITS), share=SHARES, accounts=st.integers(0, 100)),
    accounts=st.integers(1, 1000),
)
def test_a_share_that_was_not_counted_to_its_end_is_no_reason_to_name(limits, accounts):
    counted = enough_accounts(limits, accounts=accounts)
    hit = ceilings_hit(limits, accounts=accounts, all_accounts=counted)
    assert ("share" in hit) == (limits.share == 0)
    assert ("accounts" in hit) == (accounts > limits.accounts)


def test_a_share_is_counted_until_it_allows_twice_what_is_due():
    limits = replace(LIMITS, accounts=100_000, share=0.05, floor=100)
    assert enough_accounts(limits, accounts=1000) == 40_001
    assert allowances(limits, all_accounts=40_001, expected=None)["share"] == 2000
    assert enough_accounts(limits, accounts=10**6) == 2_000_001


def test_a_tiny_share_asks_for_no_more_accounts_than_can_be_counted():
    assert enough_accounts(replace(LIMITS, accounts=10**9, share=5e-324), accounts=1) < 2**63


def test_a_ceilings_reason_says_how_many_and_how_many_are_allowed():
    (stop,) = ceiling_stops({"accounts": 1000}, accounts=1001)
    assert stop.detail.startswith("at least 1,001 accounts would be touched, and the absolute ceiling allows 1,000")
    assert (stop.gate, stop.needs_approval) == (Gate.CEILING, True)
    assert stop.numbers == {"ceiling": "accounts", "allowed": 1000, "accounts": 1001}


def clocks(now=NOW, trusted=NOW, **others):
    return clock_stops(LIMITS, now=now, others=others, trusted=trusted)


@pytest.mark.parametrize("direction", [1, -1])
def test_clocks_a_minute_apart_pass_and_a_moment_more_stops_and_names_which(direction):
    minute = direction * timedelta(seconds=60)
    assert clocks(worker=NOW + minute, broker=NOW) == []
    (stop,) = clocks(worker=NOW, broker=NOW + minute + direction * MOMENT)
    assert stop.numbers == {"clock": "broker", "seconds": direction * 60}
    assert not stop.needs_approval, "it is the clocks that have to be set right"


def test_two_wrong_clocks_are_two_reasons_and_a_wrong_database_is_off_both():
    stops = clocks(now=NOW + timedelta(days=1), trusted=NOW, worker=NOW, broker=NOW)
    assert [stop.numbers["clock"] for stop in stops] == ["worker", "broker"]
    assert {stop.numbers["seconds"] for stop in stops} == {-86400}


@pytest.mark.parametrize(
    ("gone_on", "passes"),
    [
        (timedelta(0), True),
        (timedelta(days=7), True),
        (timedelta(days=7) + MOMENT, False),
        (timedelta(days=6 * 365), False),
        (timedelta(seconds=-60), True),
        (timedelta(seconds=-60) - MOMENT, False),
    ],
)
def test_time_goes_on_within_the_gap_and_falls_behind_by_no_more_than_clocks_may_differ(gone_on, passes):
    assert goes_on(LIMITS, now=NOW + gone_on, trusted=NOW) == passes
    stops = clocks(now=NOW + gone_on, trusted=NOW)
    assert [stop.needs_approval for stop in stops] == ([] if passes else [True])
    assert passes or stops[0].numbers == {"seconds": round(gone_on.total_seconds())}


def test_a_long_down_time_says_days_and_a_clock_behind_says_seconds():
    (ahead,) = clocks(now=NOW + timedelta(days=10, hours=12))
    assert "10.5 days ahead of the last dispatch (2027-03-10T01:00:00+00:00)" in ahead.detail
    (behind,) = clocks(now=NOW - timedelta(hours=1))
    assert "3,600 s behind an instant it has shown before" in behind.detail


def test_at_the_very_first_look_there_is_nothing_to_fall_behind_of():
    assert clocks(trusted=None, worker=NOW) == []
    assert len(clocks(trusted=None, worker=NOW + timedelta(hours=1))) == 1


def test_a_change_by_which_nobody_is_newly_due_passes():
    assert change_stops(PURGE, "{}", newly_due=0, sample=[]) == []


@pytest.mark.parametrize(("newly_due", "said"), [(1234, "1,234 accounts"), (None, "an unknown number of accounts")])
def test_a_change_names_both_rules_how_many_are_newly_due_and_some_of_them(newly_due, said):
    (stop,) = change_stops(PURGE, "before", newly_due=newly_due, sample=[7, 8])
    assert f"the policy was before and is {PURGE.fingerprint}: {said}" in stop.detail
    assert stop.numbers == {"before": "before", "now": PURGE.fingerprint, "newly_due": newly_due, "sample": [7, 8]}
    assert stop.needs_approval


def test_a_worker_under_other_rules_leaves_a_sweep_alone_and_no_approval_makes_it_act():
    assert other_worker_stops(PURGE, PURGE.fingerprint) == []
    assert other_worker_stops(PURGE, None) == []
    (stop,) = other_worker_stops(replace(PURGE, years=3), PURGE.fingerprint)
    assert (stop.gate, stop.needs_approval) == (Gate.POLICY_CHANGE, False)


def test_the_fingerprint_knows_period_and_zone_and_not_the_cron():
    policies = Settings().policies
    others = [Settings(retention_years=4), Settings(timezone="UTC"), Settings(reactivation_days=3)]
    assert len({each.policies.purge.fingerprint for each in (*others[:2], Settings())}) == 3
    assert len({each.policies.counter_only.fingerprint for each in (*others[1:], Settings())}) == 3
    assert Settings(purge_cron="* * * * *").policies.purge.fingerprint == policies.purge.fingerprint


@given(
    years=st.integers(1, 100), days=st.integers(0, 3650), zone=st.sampled_from(["UTC", "Asia/Tokyo", "Asia/Kolkata"])
)
def test_a_fingerprint_tells_the_old_rules_again(years, days, zone):
    now = Settings().policies
    before = Settings(retention_years=years, reactivation_days=days, timezone=zone).policies
    for policy in before:
        restored = now[policy.name].as_before(policy.fingerprint)
        assert restored.fingerprint == policy.fingerprint
        assert restored.cutoff(NOW) == policy.cutoff(NOW)


def test_a_fingerprint_of_another_law_cannot_be_asked():
    for policy in Settings().policies:
        assert policy.as_before(policy.fingerprint.replace('"law": 1', '"law": 0')) is None


@pytest.mark.parametrize("gate", list(Gate))
def test_only_a_person_ends_a_ceilings_or_a_policy_changes_stop(gate):
    lasting = gate in (Gate.CEILING, Gate.POLICY_CHANGE)
    assert is_lasting(Stop(gate, "", needs_approval=True).document()) == lasting
    assert not is_lasting(Stop(gate, "").document())
