from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.batch_size import next_accounts
from tasks.rules.ticks import is_cron, latest_tick, next_tick

TOKYO = ZoneInfo("Asia/Tokyo")
NEW_YORK = ZoneInfo("America/New_York")
SECOND = timedelta(seconds=1)
CRONS = ["10 0 * * *", "30 0 * * *", "*/15 * * * *", "0 3 1 * *", "5 4 * * sun", "0 0 29 2 *"]
nows = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_a_tick_is_found_at_its_own_instant_and_not_a_microsecond_before():
    tick = datetime(2026, 11, 22, 0, 10, tzinfo=TOKYO)
    assert latest_tick("10 0 * * *", TOKYO, tick) == tick
    assert latest_tick("10 0 * * *", TOKYO, tick - timedelta.resolution) == tick - timedelta(days=1)


def test_a_nightly_tick_in_the_hour_shown_twice_comes_once():
    first, again = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert latest_tick("30 1 * * *", NEW_YORK, first) == first
    assert latest_tick("30 1 * * *", NEW_YORK, again) == first
    assert next_tick("30 1 * * *", NEW_YORK, first) > again


def test_a_nightly_tick_in_the_hour_left_out_comes_when_the_clock_is_put_forward():
    assert latest_tick("30 2 * * *", NEW_YORK, datetime(2026, 3, 8, 8, tzinfo=UTC)) == datetime(
        2026, 3, 8, 7, tzinfo=UTC
    )


@given(st.sampled_from(CRONS), nows)
def test_ticks_are_those_that_another_cron_finds(cron, now):
    expected = next(CronSim(cron, now.astimezone(TOKYO)))
    assert next_tick(cron, TOKYO, now) == expected
    assert latest_tick(cron, TOKYO, expected) == expected


@given(st.sampled_from(CRONS), nows)
def test_between_the_latest_tick_and_the_next_there_is_none(cron, now):
    latest, following = latest_tick(cron, TOKYO, now), next_tick(cron, TOKYO, now)
    assert latest <= now < following
    assert latest_tick(cron, TOKYO, following - SECOND) == latest


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "@daily", "H 0 * * *", "R(1-5) 0 * * *", "61 0 * * *", "0 0 30 2 *"]
)
def test_what_is_no_plain_cron_is_told_apart(cron):
    assert not is_cron(cron)


@given(st.integers(1, 10_000), st.floats(0, 1000), st.integers(1, 10_000), st.booleans())
def test_a_batch_never_grows_beyond_twice_or_the_most_allowed_nor_to_nothing(accounts, seconds, most, alone):
    accounts = min(accounts, most)
    following = next_accounts(accounts, seconds, most=most, alone=alone)
    assert 1 <= following <= min(most, accounts * 2)


@given(st.integers(1, 10_000), st.floats(0, 1000))
def test_a_batch_alone_never_shrinks_below_half(accounts, seconds):
    assert next_accounts(accounts, seconds, most=10_000, alone=True) >= max(1, accounts // 2)


def test_a_batch_is_as_small_as_it_has_to_be_as_soon_as_others_are_at_work():
    assert next_accounts(500, 0.5, most=1000, alone=False) == 30


def test_a_batch_comes_near_half_a_second_and_beside_others_near_three_hundredths():
    assert next_accounts(200, 1, most=1000, alone=True) == 100
    assert next_accounts(200, 0.25, most=1000, alone=True) == 400
    assert next_accounts(200, 0.06, most=1000, alone=False) == 100
    assert next_accounts(100, 0.01, most=1000, alone=False) == 200
