import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psutil
import pytest
from builders import OWNED, everything_owned
from processes import until
from sqlalchemy import text
from test_schema import catalog

from models.calendar import retention_ends, window_closes
from models.errors import Refused, StatementError
from tasks.statements.due import count_anomalies
from worker.seed import Population, seed
from worker.settings import Settings

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
MICROSECOND = timedelta.resolution
LAST_MOMENT = timedelta(days=1) - MICROSECOND


def populate(engine, accounts=1500, number=1, *, append=False, progress=lambda _: None, now=NOW):
    return seed(engine, Population(accounts, number, now, TOKYO), append=append, progress=progress)


def in_tokyo(year, month, day, hour=12):
    return datetime(year, month, day, hour, tzinfo=TOKYO)


def fingerprints(engine):
    """One digest for each table, whatever the order of its rows."""
    digest = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t"
    with engine.connect() as connection:
        return {table: connection.execute(text(digest.format(table))).scalar_one() for table in OWNED}


def wipe(engine):
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(OWNED)} RESTART IDENTITY"))


def test_the_same_number_gives_the_same_population_and_another_another(engine):
    populate(engine)
    first = fingerprints(engine)
    wipe(engine)
    populate(engine)
    assert fingerprints(engine) == first
    wipe(engine)
    populate(engine, number=2)
    assert fingerprints(engine) != first


def test_the_rows_written_are_counted_and_about_forty_an_account(engine):
    rows = populate(engine)
    with engine.connect() as connection:
        assert rows | {"quarantine": 0} == everything_owned(connection)
    assert 35 <= (sum(rows.values()) - rows["accounts"]) / rows["accounts"] <= 45


def test_a_filled_database_is_refused_and_left_as_it_was(engine):
    populate(engine, 10)
    before = fingerprints(engine)
    with pytest.raises(Refused, match="--append"):
        populate(engine, 10)
    assert fingerprints(engine) == before


def test_appending_adds_and_ordinary_inserts_go_on_behind_it(engine):
    populate(engine, 10)
    populate(engine, 20, number=2, append=True)
    with engine.begin() as connection:
        assert everything_owned(connection)["accounts"] == 30
        number = connection.scalar(text("INSERT INTO accounts (registration) VALUES ('online') RETURNING id"))
        connection.execute(text("INSERT INTO messages (account_id) VALUES (:id)"), {"id": number})
    assert number == 31


def test_the_schema_is_afterwards_what_it_was(engine):
    before = catalog(engine)
    populate(engine, 10)
    assert catalog(engine) == before


def test_an_interrupted_seeding_leaves_nothing(engine):
    before = catalog(engine)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        populate(engine, progress=interrupt)
    assert catalog(engine) == before
    with engine.connect() as connection:
        assert set(everything_owned(connection).values()) == {0}


# Days of which five years ago, or 30 days ago, there is no number, or no such day.
PRESENTS = [NOW, *(in_tokyo(*day) for day in ((2026, 3, 31), (2026, 1, 29), (2028, 2, 29), (2025, 3, 1)))]


@pytest.mark.parametrize("now", PRESENTS, ids=lambda now: now.date().isoformat())
def test_every_edge_of_the_law_is_in_it_and_falls_on_the_right_side(engine, now):
    populate(engine, 200, now=now)
    with engine.connect() as connection:
        withdrawn = set(connection.scalars(text("SELECT withdrawn_at FROM accounts WHERE state = 'withdrawn'")))
        invalid = set(connection.scalars(text("SELECT invalidated_at FROM job_seekings WHERE status = 'invalid'")))
    midnight = now.astimezone(TOKYO).replace(hour=0)
    for days_ago, closed in ((30, False), (31, True)):
        for edge in (midnight - timedelta(days=days_ago), midnight - timedelta(days=days_ago) + LAST_MOMENT):
            assert edge in withdrawn
            assert (window_closes(edge, days=30, zone=TOKYO) <= now) is closed
    day = 28 if (midnight.month, midnight.day) == (2, 29) else midnight.day
    five_years_ago = midnight.replace(year=midnight.year - 5, day=day)
    for edge, over in (
        (five_years_ago - MICROSECOND, True),
        (five_years_ago, True),
        (five_years_ago + MICROSECOND, False),
    ):
        assert edge in invalid
        assert (retention_ends(edge, years=5, zone=TOKYO) <= now) is over
    leap = 2016 if now < in_tokyo(2025, 1, 1) else 2020
    februaries = {
        in_tokyo(leap, 2, 28, 10),
        in_tokyo(leap, 2, 29, 0),
        in_tokyo(leap, 2, 29, 10),
        in_tokyo(leap + 1, 2, 28, 10),
    }
    assert februaries <= invalid


def test_an_account_is_as_old_as_its_number_says_and_nothing_of_it_is_older(engine):
    populate(engine)
    before = """
        SELECT count(*) FROM accounts a JOIN {0} d ON d.account_id = a.id
         WHERE d.{1} < a.created_at OR a.withdrawn_at < a.created_at
    """
    with engine.connect() as connection:
        opened = connection.scalars(text("SELECT created_at FROM accounts ORDER BY id")).all()
        assert opened == sorted(opened)
        for table in ("messages", "applications", "saved_searches", "saved_jobs", "documents", "login_sessions"):
            assert connection.scalar(text(before.format(table, "created_at"))) == 0
        assert connection.scalar(text(before.format("job_seekings", "invalidated_at"))) == 0
        assert connection.scalar(text(before.format("holds", "placed_at"))) == 0


def test_as_many_accounts_are_due_as_a_worker_finds_that_was_away_for_weeks(engine):
    populate(engine, 5000)
    policies = Settings().policies
    with engine.connect() as connection:
        shares = {
            name: connection.scalar(text(share), {"cutoff": cutoff}) / 5000
            for name, share, cutoff in (
                (
                    "purge",
                    "SELECT count(*) FROM job_seekings WHERE invalidated_at <= :cutoff",
                    policies.purge.cutoff(NOW),
                ),
                (
                    "counter_only",
                    "SELECT count(*) FROM accounts WHERE state = 'withdrawn' AND withdrawn_at < :cutoff",
                    policies.counter_only.cutoff(NOW),
                ),
            )
        }
    assert 0.02 <= shares["purge"] <= 0.045
    assert 0.03 <= shares["counter_only"] <= 0.05


def test_a_number_is_never_given_twice_even_when_its_account_is_gone(engine):
    populate(engine, 10)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(OWNED)}"))
    populate(engine, 10)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT min(id), max(id) FROM accounts")).one() == (11, 20)
        connection.execute(text("TRUNCATE accounts CASCADE"))
        assert connection.scalar(text("INSERT INTO accounts (registration) VALUES ('online') RETURNING id")) == 21
    populate(engine, 5, append=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT max(id) FROM accounts")) == 26


def test_what_the_database_refuses_is_named_without_quoting_it(engine):
    with engine.begin() as connection:
        insert = text("INSERT INTO accounts (registration, email) VALUES ('online', :email)")
        connection.execute(insert, {"email": "seeker3@example.jp"})
    with pytest.raises(StatementError, match="SQLSTATE 23505") as refused:
        populate(engine, 10, append=True)
    assert "example" not in str(refused.value)


SEEDING = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from worker.database import connect
from worker.seed import Population, seed

if __name__ == "__main__":
    population = Population(1_000_000, 1, datetime.now(UTC), ZoneInfo("Asia/Tokyo"))
    seed(connect(sys.argv[1]), population, append=False, progress=lambda _: print("going", flush=True))
"""


def test_a_killed_seeding_leaves_no_process_behind(database_url, tmp_path):
    script = tmp_path / "seeding.py"
    script.write_text(SEEDING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script, database_url], env=environment, stdout=subprocess.PIPE) as seeding:
        assert seeding.stdout is not None
        assert seeding.stdout.readline() == b"going\n"
        left = psutil.Process(seeding.pid).children(recursive=True)
        seeding.send_signal(signal.SIGKILL)
    assert left
    try:
        until(lambda: not any(map(lives, left)), "the seeding's processes are gone", seconds=10)
    finally:
        for process in filter(lives, left):
            process.kill()


def lives(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_every_kind_of_anomaly_that_an_import_brings_is_in_it(engine):
    populate(engine, 5000)
    with engine.connect() as connection:
        counted = dict(map(tuple, connection.execute(count_anomalies(now=NOW))))
    assert all(count for kind, count in counted.items() if kind != "counter_only_in_future")
    assert sum(counted.values()) > 8  # more than the edges of the law bring
