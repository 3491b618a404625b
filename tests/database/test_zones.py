"""An edition of the time zone database that differs from the other's is found."""

from datetime import UTC, date, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from models import CounterOnly, Policies, Purge
from tasks.zones import first_difference

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def policies_in(zone):
    return Policies(Purge(5, zone, "30 0 * * *"), CounterOnly(30, zone, "10 0 * * *"))


@pytest.mark.parametrize("key", ["Asia/Tokyo", "Europe/London"])
def test_both_know_the_same_clocks(engine, key):
    with engine.connect() as connection:
        assert first_difference(connection, policies_in(ZoneInfo(key)), NOW) is None


def test_the_first_day_on_which_they_differ_is_named(engine):
    data = files("tzdata.zoneinfo.America") / "Bahia"  # which has known no summer time since 2012
    with data.open("rb") as file:
        outdated = ZoneInfo.from_file(file, key="America/Sao_Paulo")
    with engine.connect() as connection:
        found = first_difference(connection, policies_in(outdated), datetime(2024, 6, 1, tzinfo=UTC))
    assert found == date(2018, 11, 4)
