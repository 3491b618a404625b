"""Which sweeps are woken, and what is asked again: a message may be lost, a clock wrong, the database away."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tasks.statements.sweeps import select_open

SILENT = timedelta(seconds=10)
QUEUE = "retention:retention"


def open_sweeps(engine):
    with engine.connect() as connection:
        return [each.id for each in connection.execute(select_open(running=SILENT, others=SILENT))]


@pytest.mark.parametrize(("heard", "woken"), [("-1 minute", True), ("0 seconds", False), ("+6 years", True)])
def test_a_sweep_is_woken_that_was_last_heard_of_long_ago_or_by_a_clock_that_was_ahead(by_hand, engine, heard, woken):
    number = by_hand().request()
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweeps SET heard_at = now() + CAST(:heard AS interval)"), {"heard": heard})
    assert open_sweeps(engine) == ([number] if woken else [])
