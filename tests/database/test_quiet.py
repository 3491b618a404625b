"""In quiet hours a sweep of the cron does nothing and loses nothing; one that a person asked for goes on."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sweeping import closable

from worker.broker import redis_client

TICK = "UPDATE sweeps SET tick = as_of, heard_at = heard_at - interval '1 hour' WHERE id = :id"


def hours_around(now, *, begun):
    """Quiet hours in Tokyo that have begun an hour ago, or begin in an hour."""
    local = now.astimezone(ZoneInfo("Asia/Tokyo"))
    start = local - timedelta(hours=1) if begun else local + timedelta(hours=1)
    return f"{start:%H:%M}-{start + timedelta(hours=2):%H:%M}"


@pytest.fixture
def hand(by_hand, engine):
    """Somebody is due; make a deployment with quiet hours that are now, or not yet."""
    with engine.begin() as connection:
        closable(connection)

    def make(*, begun):
        return by_hand(counter_only_quiet_hours=hours_around(datetime.now(UTC), begun=begun))

    return make


def of_the_cron(hand):
    number = hand.request()
    assert hand.sweep(number).status == "running"
    with hand.runtime.engine.begin() as connection:
        connection.execute(text(TICK), {"id": number})
    return number


def queued(broker_url):
    with redis_client(broker_url) as client:
        return client.llen("retention:retention")


def test_a_sweep_of_the_cron_rests_and_goes_on_when_they_are_over(hand):
    quiet = hand(begun=True)
    number = of_the_cron(quiet)
    before = quiet.row(number)
    quiet.do("drain", number, 0)
    resting = quiet.row(number)
    assert (resting.status, resting.accounts) == ("running", 0)
    assert resting.heard_at > before.heard_at, "who rests is not stuck"
    later = hand(begun=False).carry_out(number)
    assert (later.status, later.accounts) == ("done", 1)


def test_a_sweep_that_rests_is_not_woken(hand, broker_url):
    quiet = hand(begun=True)
    number = of_the_cron(quiet)
    before = queued(broker_url)
    quiet.do("recover")
    assert queued(broker_url) == before
    hand(begun=False).do("recover")
    assert queued(broker_url) == before, "it was seen to be well a moment ago"
    with quiet.runtime.engine.begin() as connection:
        connection.execute(text(TICK), {"id": number})
    hand(begun=False).do("recover")
    assert queued(broker_url) > before


def test_a_sweep_that_a_person_asked_for_does_not_rest(hand):
    quiet = hand(begun=True)
    assert quiet.carry_out(quiet.request()).accounts == 1


def test_the_other_policys_quiet_hours_are_not_its_own(by_hand, engine):
    with engine.begin() as connection:
        closable(connection)
    other = by_hand(purge_quiet_hours=hours_around(datetime.now(UTC), begun=True))
    assert other.carry_out(of_the_cron(other)).accounts == 1
