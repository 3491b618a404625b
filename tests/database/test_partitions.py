"""A log that grows for ever: partitioned by year without losing a line, and always with a place for the next line."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from clock import DatabaseClock
from logs import a_log, unguarded
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models import PolicyName
from models.errors import InvalidConfiguration
from tasks.partitions import years_ahead
from tasks.statements.log import select_actions
from tasks.verify import verify
from worker.database import connect, migrate, schema_revision

YEAR = datetime.now(UTC).year
PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
 WHERE inhparent IN ('actions'::regclass, 'receipts'::regclass) ORDER BY relname
"""
LINES = "SELECT * FROM actions ORDER BY id"
GRANTS = """
SELECT relname, grantee::regrole::text, privilege_type, is_grantable, NULL FROM pg_class, aclexplode(relacl)
 WHERE relname ~ '^(actions|receipts)' AND relkind IN ('r', 'p') AND grantee <> relowner
UNION ALL SELECT attrelid::regclass::text, grantee::regrole::text, privilege_type, is_grantable, attname
  FROM pg_attribute, aclexplode(attacl) WHERE attrelid::regclass::text ~ '^(actions|receipts)' ORDER BY 1, 3
"""


def rows(engine, query):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def run(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def partitions(*years):
    return sorted(f"{table}_{each}" for table in ("actions", "receipts") for each in (*years, "rest"))


def drop(engine, *years):
    run(engine, *(f"DROP TABLE {table}_{year}" for table in ("actions", "receipts") for year in years))


@pytest.fixture
def earlier(another_database_url, policies):
    """A database of before, with a log, whom others were given rights on."""
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0006")
    a_log(engine, policies, 7)
    a_log(engine, policies, 5, policy=PolicyName.PURGE)
    run(
        engine, "GRANT SELECT ON actions TO pg_monitor WITH GRANT OPTION", "GRANT SELECT (digest) ON receipts TO PUBLIC"
    )
    return engine


def test_a_log_of_before_is_taken_up_as_it_lies_and_goes_on(earlier, policies, another_database_url):
    lines, given = rows(earlier, LINES), rows(earlier, GRANTS)
    place = "SELECT pg_relation_filenode(to_regclass('{}'))"
    ((lies_at,),) = rows(earlier, place.format("actions"))
    migrate(earlier)
    assert rows(earlier, LINES) == lines
    assert rows(earlier, place.format(f"actions_{YEAR}")) == [(lies_at,)]
    assert rows(earlier, PARTITIONS) == [(name,) for name in partitions(YEAR, YEAR + 1, YEAR + 2)]
    assert rows(earlier, GRANTS) == given != []
    a_log(earlier, policies, 2)
    assert [each[0] for each in rows(earlier, LINES)] == list(range(1, 15))
    found = verify(partial(connect, another_database_url, pooled=False))
    assert (found.receipts, found.actions, found.broken) == (6, 14, None)


def test_lines_that_a_clock_once_dated_ahead_belong_to_the_first_partition(earlier):
    with earlier.begin() as connection:
        unguarded(connection, f"UPDATE actions SET acted_at = '{YEAR + 3}-07-01' WHERE id = 5")
    migrate(earlier)
    assert rows(earlier, PARTITIONS) == [(name,) for name in partitions(YEAR + 3)]
    assert len(rows(earlier, LINES)) == 12


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE VIEW mine AS SELECT count(*) FROM actions", "view mine"),
        ("CREATE PUBLICATION mine FOR TABLE receipts", "publication mine"),
        ("CREATE TABLE mine (id bigint CONSTRAINT to_it REFERENCES actions)", "foreign key to_it of mine"),
    ],
)
def test_what_others_made_on_the_log_is_named_before_anything_is_changed(earlier, made, named):
    run(earlier, made)
    with pytest.raises(InvalidConfiguration, match=f"^{named}: made on the log's tables"):
        migrate(earlier)
    assert schema_revision(earlier) == "0006"


def test_whatever_year_a_clock_says_a_batch_finds_its_place(engine, policies, database_url):
    DatabaseClock(engine).set(datetime(YEAR + 20, 5, 1, tzinfo=UTC))
    a_log(engine, policies, 4)
    assert rows(engine, "SELECT count(*) FROM actions_rest") == [(4,)]
    found = verify(partial(connect, database_url, pooled=False))
    assert (found.actions, found.broken) == (4, None)


def test_each_minute_the_years_to_come_are_made(by_hand, engine):
    drop(engine, YEAR + 1, YEAR + 2)
    hand = by_hand()
    with engine.connect() as connection:
        assert years_ahead(connection) == 0
    hand.do("prepare_log")
    assert rows(engine, PARTITIONS) == [(name,) for name in partitions(YEAR, YEAR + 1, YEAR + 2)]
    with engine.connect() as connection:
        assert years_ahead(connection) == 2


def test_a_year_that_has_begun_in_the_rest_stays_there(by_hand, engine, policies):
    drop(engine, YEAR + 1, YEAR + 2)
    a_log(engine, policies, 3)
    with engine.begin() as connection:
        unguarded(connection, f"UPDATE actions SET acted_at = '{YEAR + 1}-02-01' WHERE id = 2")
    hand = by_hand()
    hand.do("prepare_log")
    made = {name for (name,) in rows(engine, PARTITIONS)}
    assert f"actions_{YEAR + 1}" not in made
    assert {f"actions_{YEAR + 2}", f"receipts_{YEAR + 1}", f"receipts_{YEAR + 2}"} < made
    assert len(rows(engine, LINES)) == 3


def test_who_comes_while_another_makes_them_leaves_it_to_him(engine):
    drop(engine, YEAR + 2)
    with engine.connect() as first, engine.connect() as second:
        assert first.scalar(text("SELECT prepare_log()")) == 2
        second.execute(text("SET lock_timeout = '5s'"))
        assert second.scalar(text("SELECT prepare_log()")) == 0
        first.commit()


@pytest.mark.parametrize(
    ("table", "key", "change"),
    [("actions", "pkey", ""), ("receipts", "pkey", ""), ("receipts", "number_key", "UPDATE again SET id = id + 100")],
)
def test_within_a_year_no_number_is_given_out_twice(engine, policies, table, key, change):
    a_log(engine, policies, 3)
    again = f"CREATE TEMP TABLE again AS SELECT * FROM {table};{change}"
    with pytest.raises(IntegrityError, match=f"{table}_{YEAR}_{key}"):
        run(engine, *filter(None, again.split(";")), f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM again")


def test_actions_of_all_years_are_listed_in_their_order(engine, policies):
    a_log(engine, policies, 6)
    with engine.begin() as connection:
        for line, year in ((1, YEAR + 2), (3, YEAR + 30), (4, YEAR + 1), (5, YEAR - 9)):
            unguarded(
                connection,
                f"UPDATE actions SET acted_at = acted_at + interval '{year - YEAR} years', account_id = 4711, "
                f"due_at = due_at - interval '9 years' WHERE id = {line}",
            )
        listed = connection.execute(select_actions(limit=4)).all()
        of_one = connection.execute(select_actions(account_id=4711, limit=10)).all()
    assert [each.id for each in listed] == [6, 5, 4, 3]
    assert [each.id for each in of_one] == [5, 4, 3, 1]
    assert {each.acted_at.year for each in of_one} == {YEAR + 2, YEAR + 30, YEAR + 1, YEAR - 9}
    assert of_one[0].acted_at < datetime.now(UTC) - timedelta(days=3000)
