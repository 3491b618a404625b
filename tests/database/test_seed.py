from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from builders import OWNED, everything_owned
from sqlalchemy import text
from test_schema import catalog

from models.errors import Refused
from tasks.statements.due import count_anomalies
from worker.seed import Population, seed
from worker.settings import Settings

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
MICROSECOND = timedelta.resolution


def populate(engine, accounts=1500, number=1, *, append=False, progress=lambda _: None):
    return seed(engine, Population(accounts, number, NOW, TOKYO), append=append, progress=progress)


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
        assert rows == everything_owned(connection)
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


def test_every_edge_of_the_law_is_in_it(engine):
    populate(engine, 300)
    policies = Settings().policies
    with engine.connect() as connection:
        withdrawn = set(connection.scalars(text("SELECT withdrawn_at FROM accounts WHERE state = 'withdrawn'")))
        invalid = set(connection.scalars(text("SELECT invalidated_at FROM job_seekings WHERE status = 'invalid'")))
    window, five_years = policies.counter_only.cutoff(NOW), policies.purge.cutoff(NOW)
    assert {window, window - MICROSECOND} <= withdrawn
    assert {five_years - MICROSECOND, five_years, five_years + MICROSECOND} <= invalid
    assert {datetime(2020, 2, 29, tzinfo=TOKYO), datetime(2021, 2, 28, 10, tzinfo=TOKYO)} <= invalid


def test_every_kind_of_anomaly_that_an_import_brings_is_in_it(engine):
    populate(engine, 300)
    with engine.connect() as connection:
        counted = dict(map(tuple, connection.execute(count_anomalies(now=NOW))))
    assert all(count for kind, count in counted.items() if kind != "counter_only_in_future")
