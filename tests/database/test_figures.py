"""What batches add up to is what the log says, whatever happens to them; and nothing is scanned when it is asked."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from backup import Backup, exported
from builders import a_hold, an_account
from clock import DatabaseClock
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from sweeping import COUNTER_ONLY, PURGE, a_sweep, closable, purgeable, run_sweep, sweep_both

from models.errors import SweepStoppedError
from tasks.batch import run_batch
from tasks.figures import read_figures
from tasks.free_address import free_address
from tasks.replay import replay
from tasks.standing import read_standing, take_standing, write_down
from worker.database import connect, migrate

ADDED_UP = "SELECT day, action, accounts, batches FROM days_of_actions ORDER BY day, action"
OF_THE_LOG = """
SELECT date(acted_at AT TIME ZONE 'Asia/Tokyo'), action, sum(accounts), count(*) FROM receipts
 GROUP BY 1, 2 ORDER BY 1, 2
"""


def rows(engine, query):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def is_true(engine):
    """The days add up to the log, and each batch has a duration."""
    days, log = rows(engine, ADDED_UP), rows(engine, OF_THE_LOG)
    ((batches,),) = rows(engine, "SELECT count(*) FROM receipts")
    ((timed,),) = rows(engine, "SELECT coalesce(sum(batches), 0) FROM batch_durations")
    return days == log and timed == batches and bool(log)


def test_after_sweeps_the_days_add_up_to_the_log(engine, policies):
    sweep_both(engine, policies)
    assert is_true(engine)
    assert [day[1:] for day in rows(engine, ADDED_UP)] == [("counter_only", 3, 2), ("purge", 3, 2)]


def test_batches_at_the_same_time_are_each_counted_once(engine, policies):
    with engine.begin() as connection:
        for _ in range(40):
            closable(connection)
    sweep_id, cutoff = a_sweep(engine, policies, COUNTER_ONLY)
    batch = partial(run_batch, engine, policies.counter_only, cutoff, sweep_id=sweep_id, limit=4)

    def drain(lane):
        while batch(lane=lane).claimed:
            pass

    with ThreadPoolExecutor(4) as drains:
        list(drains.map(drain, range(4)))
    assert rows(engine, ADDED_UP)[0][2] == 40
    assert is_true(engine)


def test_a_batch_that_is_undone_is_not_counted(engine, policies):
    with engine.begin() as connection:
        purgeable(connection)
    sweep_id, cutoff = a_sweep(engine, policies, PURGE)

    def stopped(connection, receipt_id):
        assert connection.scalar(text("SELECT sum(accounts) FROM days_of_actions")) == 1
        raise SweepStoppedError("stopped at the last moment")

    with pytest.raises(SweepStoppedError):
        run_batch(engine, policies.purge, cutoff, sweep_id=sweep_id, lane=0, limit=10, check=stopped)
    assert rows(engine, ADDED_UP) == []
    assert rows(engine, "SELECT * FROM batch_durations") == []


def test_a_batch_counts_on_the_local_day_and_not_on_that_of_greenwich(engine, policies):
    # Of these two zones, one is on another day than Greenwich at any time.
    zone = ZoneInfo("Pacific/Kiritimati" if datetime.now(UTC).hour >= 11 else "Etc/GMT+12")
    elsewhere = replace(policies, purge=replace(policies.purge, zone=zone))
    with engine.begin() as connection:
        purgeable(connection)
    run_sweep(engine, elsewhere, PURGE)
    ((day, acted_at),) = rows(engine, "SELECT day, acted_at FROM days_of_actions, receipts")
    assert day == acted_at.astimezone(zone).date() != acted_at.astimezone(UTC).date()


def test_an_address_that_is_freed_by_a_person_is_counted(engine, policies):
    with engine.begin() as connection:
        account = closable(connection)
        address = connection.scalar(text("SELECT email FROM accounts WHERE id = :id"), {"id": account})
    with Session(engine) as session, session.begin():
        free_address(session, policies, address, by="owner")
    assert [day[1:] for day in rows(engine, ADDED_UP)] == [("counter_only", 1, 1)]
    assert is_true(engine)


def test_a_replay_is_counted_on_the_day_of_the_action_it_repeats(engine, policies):
    with engine.begin() as connection:
        purgeable(connection)
        closable(connection)
    backup = Backup(engine)
    run_sweep(engine, policies, PURGE)
    run_sweep(engine, policies, COUNTER_ONLY)
    log, before = exported(engine), rows(engine, ADDED_UP)
    backup.restore()
    assert rows(engine, ADDED_UP) == []
    replay(engine, policies, log, actor="auditor", reason="restored")
    assert rows(engine, ADDED_UP) == before
    assert is_true(engine)


RECEIPTS = """
INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
SELECT n, 1, action, accounts, '{}', at, ''::bytea, ''::bytea, sha256(n::text::bytea) FROM (VALUES
  (1, 'purge', 5, timestamptz '2026-05-01 14:59:59.999999Z'), (2, 'purge', 7, '2026-05-01 15:00Z'),
  (3, 'counter_only', 11, '2026-05-01 15:10Z'), (4, 'purge', 13, '2026-05-02 14:00Z')
) AS written (n, action, accounts, at)
"""
SWEEP = "INSERT INTO sweeps (policy, as_of, cutoff, actor, reason) VALUES ('purge', now(), now(), 'a', 'r')"


def test_the_migration_adds_up_what_was_done_before_it(another_database_url):
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0005")
    with engine.begin() as connection:
        connection.execute(text(SWEEP))
        connection.execute(text(RECEIPTS))
    migrate(engine)
    days = [(str(day), *rest) for day, *rest in rows(engine, ADDED_UP)]
    assert days == [
        ("2026-05-01", "purge", 5, 1),
        ("2026-05-02", "counter_only", 11, 1),
        ("2026-05-02", "purge", 20, 2),
    ]
    assert rows(engine, ADDED_UP) == rows(engine, OF_THE_LOG)


def test_what_was_counted_is_read_as_it_was_written(engine, policies):
    with engine.begin() as connection:
        purgeable(connection)
        an_account(connection, status="invalid", invalidated_at=None)
        standing = take_standing(connection, policies, datetime.now(UTC), {"database": 0.5})
        assert read_standing(connection) is None
        write_down(connection, standing)
        assert read_standing(connection) == standing
        earlier = take_standing(connection, policies, datetime(2026, 1, 1, tzinfo=UTC))
        write_down(connection, earlier)
        assert read_standing(connection) == standing


def test_whether_a_date_is_yet_to_come_is_counted_by_the_databases_clock_not_the_workers(engine, policies):
    clock, now = DatabaseClock(engine), datetime.now(UTC)
    with engine.begin() as connection:
        soon = {"withdrawn_at": now + timedelta(days=5), "state": "withdrawn"}
        a_hold(connection, an_account(connection, **soon), released_at=soon["withdrawn_at"])
    counted = {}
    for days in (0, 10):
        clock.set(now + timedelta(days=days))
        with engine.begin() as connection:
            standing = take_standing(connection, policies, now)
        counted[days] = (standing.holds, standing.anomalous, standing.anomalies["withdrawn_in_future"])
    assert counted == {0: (1, 1, 1), 10: (0, 0, 0)}


def test_asking_for_the_figures_reads_no_account_and_no_line_of_the_log(engine, policies):
    sweep_both(engine, policies)
    touched = []
    event.listen(engine, "after_cursor_execute", lambda *given: touched.append(given[2]))
    read_figures(engine, policies)
    assert touched
    for table in ("accounts", "job_seekings", "actions", "receipts", "holds", "quarantine", "doomed_files"):
        assert not [each for each in touched if f"FROM {table}" in each or f"JOIN {table}" in each], table
