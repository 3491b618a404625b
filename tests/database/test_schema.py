import os
from datetime import UTC, datetime

import pytest
from builders import an_account
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import Base
from models.errors import InvalidConfiguration
from tasks.catalog import catalog_faults
from tasks.transaction import transaction
from worker.database import check_schema, connect, head_revision, migrate, schema_revision

YEAR = datetime.now(UTC).year
ORDINARY = pytest.mark.skipif("TEST_PARTITIONS" in os.environ, reason="is about tables that are not partitioned")
CATALOG = """
SELECT 'column', c.table_name, c.column_name, c.data_type, c.is_nullable, c.column_default, c.is_identity
  FROM information_schema.columns c WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated::text, NULL, NULL
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
UNION ALL
SELECT 'index', tablename, indexname, indexdef, NULL, NULL, NULL
  FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid), tgenabled::text, p.prosrc, NULL
  FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE NOT tgisinternal
UNION ALL
SELECT 'partition', inhparent::regclass::text, relname, pg_get_expr(relpartbound, oid), NULL, NULL, NULL
  FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'
UNION ALL
SELECT 'partitioned', partrelid::regclass::text, pg_get_partkeydef(partrelid), NULL, NULL, NULL, NULL
  FROM pg_partitioned_table
UNION ALL
SELECT 'function', proname, prosecdef::text, prosrc, proconfig::text, proacl::text, NULL
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def catalog(engine):
    with engine.connect() as connection:
        rows = connection.execute(text(CATALOG)).all()
    # The text of a function is free to be indented as its file is.
    return sorted(tuple(" ".join(str(cell).split()) for cell in row) for row in rows)


@pytest.fixture
def created(engine, another_database_url):
    """A database whose schema was made from the models alone."""
    created = connect(another_database_url, pooled=False)
    Base.metadata.create_all(created)
    return created


@ORDINARY
def test_the_migrations_lead_to_the_schema_of_the_models(engine, created):
    migrated, made = catalog(engine), catalog(created)
    assert [row for row in migrated if row not in made] == [row for row in made if row not in migrated] == []


def test_migrating_twice_changes_nothing(engine):
    assert migrate(engine) == (head_revision(), head_revision())


def test_accounts_that_have_one_address_are_named_before_anything_is_changed(another_database_url):
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0001")
    with engine.begin() as connection:
        for email in ("taro@example.jp", "hanako@example.jp", " Taro@EXAMPLE.jp"):
            connection.execute(
                text("INSERT INTO accounts (registration, email) VALUES ('online', :email)"), {"email": email}
            )
    with pytest.raises(InvalidConfiguration, match="accounts 1 and 3 have the same e-mail address") as refusal:
        migrate(engine)
    assert "taro" not in str(refusal.value)
    assert schema_revision(engine) == "0001"
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET email = 'jiro@example.jp' WHERE id = 3"))
    assert migrate(engine) == ("0001", head_revision())


@pytest.mark.parametrize(
    ("fires", "mode"), [("", "O"), ("ENABLE ALWAYS", "A"), ("ENABLE REPLICA", "R"), ("DISABLE", "D")]
)
def test_a_trigger_that_is_replaced_fires_when_the_one_before_did(another_database_url, fires, mode):
    engine = connect(another_database_url, pooled=False)
    migrate(engine, to="0008")
    with engine.begin() as connection:
        if fires:
            connection.execute(text(f"ALTER TABLE holds {fires} TRIGGER stay_released"))
    migrate(engine)
    with engine.begin() as connection:
        says = "SELECT tgenabled::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'stay_released'"
        ((fires_now, definition),) = connection.execute(text(says)).all()
    assert (fires_now, "new.released_at > now()" in definition) == (mode, True)


def test_a_schema_that_a_newer_program_made_is_refused_and_left_alone(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for step in (check_schema, migrate):
        with pytest.raises(InvalidConfiguration, match=r"9999.*upgrade this program"):
            step(engine)


@pytest.mark.parametrize(
    "another_database_url", ["ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"], indirect=True
)
def test_a_database_in_another_encoding_is_refused_and_left_alone(another_database_url):
    engine = connect(another_database_url, pooled=False)
    with pytest.raises(InvalidConfiguration, match=r"SQL_ASCII.*ENCODING 'UTF8'"):
        migrate(engine)
    assert inspect(engine).get_table_names() == []


def test_a_database_without_schema_says_what_to_do(another_database_url):
    with pytest.raises(InvalidConfiguration, match="retention migrate"):
        check_schema(connect(another_database_url, pooled=False))


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ("'online', 'gone', NULL, NULL, NULL", "state_known"),
        ("'post', 'active', NULL, NULL, NULL", "registration_known"),
        ("'online', 'active', NULL, now(), NULL", "active_not_withdrawn"),
        ("'online', 'withdrawn', NULL, now(), now()", "counter_only_at_fits"),
        ("'online', 'counter_only', 'a@example.jp', now(), now()", "counter_only_without_credentials"),
        ("'online', 'withdrawn', NULL, '-infinity', NULL", "withdrawn_at_finite"),
        ("'online', 'withdrawn', NULL, 'infinity', NULL", "withdrawn_at_finite"),
        ("'online', 'withdrawn', NULL, '0001-01-02', NULL", "withdrawn_at_finite"),
        ("'online', 'counter_only', NULL, NULL, 'infinity'", "counter_only_at_finite"),
    ],
)
def test_the_database_refuses_an_account_whose_state_and_dates_contradict_each_other(engine, row, constraint):
    with pytest.raises(IntegrityError, match=f"ck_accounts_{constraint}"), engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO accounts (registration, state, email, withdrawn_at, counter_only_at) VALUES ({row})")
        )


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ("'stale', NULL", "status_known"),
        ("'valid', now()", "valid_not_invalidated"),
        ("'invalid', '-infinity'", "invalidated_at_finite"),
    ],
)
def test_the_database_refuses_a_job_seeking_whose_status_and_date_contradict_each_other(engine, row, constraint):
    with engine.begin() as connection:
        account_id = an_account(connection, status=None)
    insert = f"INSERT INTO job_seekings (account_id, status, invalidated_at) VALUES ({account_id}, {row})"
    with pytest.raises(IntegrityError, match=f"ck_job_seekings_{constraint}"), engine.begin() as connection:
        connection.execute(text(insert))


def test_the_anomalies_of_a_careless_import_are_let_in(engine):
    with engine.begin() as connection:
        an_account(connection, state="withdrawn", withdrawn_at=None)
        an_account(connection, state="counter_only")
        an_account(connection, status="invalid", invalidated_at=None)


@pytest.mark.parametrize("table", ["actions", "receipts", f"actions_{YEAR}", f"receipts_{YEAR}", "actions_rest"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_log_refuses_every_change(engine, table, change):
    with pytest.raises(DBAPIError, match="only ever appended to"), engine.begin() as connection:
        connection.execute(text(change.format(table)))


def test_the_catalog_of_a_migrated_database_has_no_fault(engine):
    with transaction(engine) as connection:
        assert catalog_faults(connection) == []


LOOSENED = {
    "gone": "",
    "true of everything": "CHECK (true)",
    "never judged by": "CHECK ({0}) NOT VALID",
    "not enforced": "CHECK ({0}) NOT ENFORCED",
}
CHECKED = "registration IN ('online', 'hellowork')"
UNTIED = {
    "gone": "",
    "elsewhere": "FOREIGN KEY (id) REFERENCES {0}",
    "taking the rows along": "FOREIGN KEY (account_id) REFERENCES {0} ON DELETE CASCADE",
    "never judged by": "FOREIGN KEY (account_id) REFERENCES {0} NOT VALID",
    "not enforced": "FOREIGN KEY (account_id) REFERENCES {0} NOT ENFORCED",
}


def knows_enforcement(engine):
    with engine.connect() as connection:
        return connection.dialect.server_version_info >= (18,)


def told(engine, place, constraint, definition):
    """Put another constraint of this name in the place of the one that is there; return what the catalog check says."""
    if "ENFORCED" in definition and not knows_enforcement(engine):
        pytest.skip("this PostgreSQL enforces every constraint")
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {place} DROP CONSTRAINT {constraint}"))
        if definition:
            connection.execute(text(f"ALTER TABLE {place} ADD CONSTRAINT {constraint} {definition}"))
        faults = catalog_faults(connection)
    return [fault for fault in faults if f"the constraint {constraint}" in fault]


@pytest.mark.parametrize("how", LOOSENED)
def test_a_check_that_does_not_say_what_it_must_is_named(engine, how):
    (fault,) = told(engine, "accounts", "ck_accounts_registration_known", LOOSENED[how].format(CHECKED))
    assert "CHECK ((registration = ANY (ARRAY['online'::text, 'hellowork'::text])))" in fault


@pytest.mark.parametrize("how", UNTIED)
def test_a_foreign_key_that_does_not_say_what_it_must_is_named(engine, how):
    tables = ("messages_2", "accounts_2") if "TEST_PARTITIONS" in os.environ else ("messages", "accounts")
    (fault,) = told(engine, tables[0], "fk_messages_account_id", UNTIED[how].format(tables[1]))
    assert fault.startswith(f"{tables[0]} ")
    assert f"FOREIGN KEY (account_id) REFERENCES {tables[1]}(id)" in fault


@ORDINARY
@pytest.mark.parametrize("table", ["messages", "accounts"])
def test_a_foreign_key_whose_triggers_are_off_is_named(engine, table):
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        faults = catalog_faults(connection)
    assert [each for each in faults if "messages has the constraint fk_messages_account_id" in each]


def test_every_foreign_key_has_an_index_that_begins_with_it(engine):
    inspector = inspect(engine)
    for table in inspector.get_table_names():
        leading = {index["column_names"][0] for index in inspector.get_indexes(table)}
        leading |= {*inspector.get_pk_constraint(table)["constrained_columns"][:1]}
        for key in inspector.get_foreign_keys(table):
            assert key["constrained_columns"][0] in leading, (table, key["name"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("DROP INDEX ix_messages_account_id", "messages.account_id refers to accounts without an index"),
        pytest.param(
            "CREATE TABLE notes (id bigint PRIMARY KEY, message_id bigint REFERENCES messages)",
            "table notes refers to messages and is unknown: a purge would fail as a whole",
            marks=ORDINARY,
        ),
        (
            "CREATE TABLE notes (account_id bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE)",
            "table notes refers to accounts and is unknown: a purge would delete its rows without a word in the log",
        ),
        (
            "CREATE SCHEMA other; CREATE TABLE other.notes (account_id bigint PRIMARY KEY REFERENCES accounts)",
            "table other.notes refers to accounts and is unknown",
        ),
        ("DROP TABLE saved_jobs", "table saved_jobs is missing"),
    ],
)
def test_the_catalog_check_names_what_a_purge_would_stumble_over(engine, change, fault):
    with engine.begin() as connection:
        connection.execute(text(change))
        assert any(fault in each for each in catalog_faults(connection))
