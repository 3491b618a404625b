"""Whatever a sweep had to erase and did not is found, in whatever table it is."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from builders import an_account
from sqlalchemy import text
from sweeping import (
    COUNTER_ONLY,
    LONG_INVALID,
    NOW,
    PURGE,
    a_sweep,
    damage,
    damaging,
    first_receipt,
    purgeable,
    sweep_both,
)

from models.errors import Unverified
from tasks import reconcile as reconciling
from tasks.hash_partitions import partitions
from tasks.reconcile import find_remains, looking_for_remains, reconcile, verify_batch


@pytest.fixture
def swept(engine, policies):
    return sweep_both(engine, policies)


ROWS = {
    "accounts": ("id", "INSERT INTO accounts (id, registration) VALUES (:id, 'online')"),
    "job_seekings": ("account_id", "INSERT INTO job_seekings (account_id, status) VALUES (:id, 'valid')"),
    "applications": ("account_id", "INSERT INTO applications (account_id, kind, status) VALUES (:id, 'self', '')"),
    "messages": ("account_id", "INSERT INTO messages (account_id) VALUES (:id)"),
    "saved_searches": ("account_id", "INSERT INTO saved_searches (account_id) VALUES (:id)"),
    "saved_jobs": ("account_id", "INSERT INTO saved_jobs (account_id) VALUES (:id)"),
    "documents": ("account_id", "INSERT INTO documents (account_id) VALUES (:id)"),
    "login_sessions": ("account_id", "INSERT INTO login_sessions (account_id) VALUES (:id)"),
    "holds": ("account_id", "INSERT INTO holds (account_id, reason, placed_by) VALUES (:id, '', '')"),
    "transitions": (
        "account_id",
        "INSERT INTO transitions (account_id, kind, actor, at, to_state) VALUES (:id, 'register', '', now(), '')",
    ),
}


@pytest.mark.parametrize("table", ROWS)
def test_a_row_left_of_a_purged_account_is_found_in_every_table(engine, policies, swept, table):
    sweep_id, accounts = swept[PURGE]
    column, insert = ROWS[table]
    damage(engine, insert, id=accounts[0])
    where = table if table == "accounts" else f"public.{table} ({column})"
    with engine.connect() as connection:
        receipt_id = first_receipt(connection, sweep_id)
        left = [f"receipt {receipt_id}: 1 rows of purged accounts are left in {where}: {accounts[0]}"]
        assert verify_batch(connection, policies, receipt_id) == left
        assert find_remains(connection, looking_for_remains(connection, PURGE), receipt_id) == left
    what = f"purged accounts are left in {where}" if table == "accounts" else f"{where} refer to nothing"
    assert reconcile(engine, policies, sweep_id, drained=True).findings == [
        f"sweep {sweep_id}: 1 rows of {what}: {accounts[0]}"
    ]


KEPT = """
ALTER TABLE {0} DROP CONSTRAINT fk_messages_account_id;
ALTER TABLE {0} ADD CONSTRAINT fk_messages_account_id
    FOREIGN KEY (account_id) REFERENCES {1} DEFERRABLE INITIALLY DEFERRED;
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON messages FOR EACH ROW EXECUTE FUNCTION keep()
"""


def test_a_purge_that_leaves_a_row_behind_is_undone_and_stops_its_policy(by_hand, engine):
    with engine.begin() as connection:
        for _ in range(4):
            purgeable(connection)
        kept = purgeable(connection, LONG_INVALID + timedelta(days=1))
        connection.execute(text("INSERT INTO messages (account_id) VALUES (:id)"), {"id": kept})
    here = by_hand(canary_accounts=1, batch_accounts=2, ceiling_share=1)
    sweep_id = here.request("purge")
    assert here.sweep(sweep_id).status == "running", "later than its gates, which would see that"
    with engine.begin() as connection:
        # The partitions of that account, where it has any.
        places = "SELECT m.tableoid::regclass::text, a.tableoid::regclass::text FROM messages m, accounts a"
        (places,) = connection.execute(text(f"{places} WHERE a.id = :id"), {"id": kept}).all()
        connection.exec_driver_sql(KEPT.format(*places))
    with pytest.raises(Unverified, match="a batch was undone"):
        here.carry_out(sweep_id)
    failed = here.row(sweep_id)
    assert failed.status == "failed"
    assert f"rows of purged accounts are left in public.messages (account_id): {kept}" in failed.failure
    assert here.accounts(f"id = {kept}") == [kept]
    assert here.rows("SELECT account_id FROM actions WHERE account_id = :id", id=kept) == []
    assert here.rows("SELECT policy FROM pauses") == [("purge",)]


# A trigger of somebody's that keeps what a move erases; a login of any date, as an import or a wrong clock may have it.
KEPT_BY_MOVES = {
    "keep login sessions": """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON login_sessions FOR EACH ROW EXECUTE FUNCTION keep()""",
    "keep an e-mail address or a password": """
        ALTER TABLE accounts DROP CONSTRAINT ck_accounts_counter_only_without_credentials;
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.email = OLD.email; RETURN NEW; END';
        CREATE TRIGGER keep BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION keep()""",
    "are not in counter-only recovery": """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.state = ''withdrawn''; NEW.counter_only_at = NULL; RETURN NEW; END';
        CREATE TRIGGER keep BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION keep()""",
}


@pytest.mark.parametrize("kept", KEPT_BY_MOVES)
def test_a_move_that_leaves_something_behind_is_undone_and_stops_its_policy(by_hand, engine, kept):
    with engine.begin() as connection:
        account = an_account(connection, state="withdrawn", withdrawn_at=datetime.now(UTC) - timedelta(days=40))
        connection.execute(text("UPDATE accounts SET email = 'kept@example.jp'"))
        connection.execute(
            text("INSERT INTO login_sessions (account_id, created_at) SELECT id, 'infinity' FROM accounts")
        )
    here = by_hand(ceiling_share=1)
    sweep_id = here.request("counter_only")
    assert here.sweep(sweep_id).status == "running", "later than its gates, which see that a constraint is gone"
    with engine.begin() as connection:
        connection.exec_driver_sql(KEPT_BY_MOVES[kept])
    with pytest.raises(Unverified, match="a batch was undone"):
        here.carry_out(sweep_id)
    failed = here.row(sweep_id)
    assert failed.status == "failed"
    assert f"1 moved accounts {kept}: {account}" in failed.failure
    assert here.accounts("state = 'withdrawn' AND email = 'kept@example.jp'") == [account]
    assert here.rows("SELECT account_id FROM login_sessions") == [(account,)]
    assert here.rows("SELECT account_id FROM actions") == []
    assert here.rows("SELECT policy FROM pauses") == [("counter_only",)]


def test_an_attachment_that_outlived_its_message_is_found(engine, policies, swept):
    sweep_id, _ = swept[PURGE]
    attach = "INSERT INTO message_attachments (account_id, message_id)"
    damage(engine, f"{attach} VALUES (1, 4711)")
    damage(engine, f"{attach} SELECT account_id, id FROM messages LIMIT 1")
    (finding,) = reconcile(engine, policies, sweep_id, drained=True).findings
    columns = r"\((account_id, )?message_id\)"
    assert re.fullmatch(f"sweep {sweep_id}: 1 rows of public.message_attachments {columns} refer to nothing", finding)


def test_a_long_table_is_read_through_in_stretches_day_after_day(engine, policies, monkeypatch):
    monkeypatch.setattr(reconciling, "BLOCKS_AT_LEAST", 3)
    monkeypatch.setattr(reconciling, "BLOCKS_AT_ONCE", 2)
    with damaging(engine) as connection:
        filling = (
            "INSERT INTO message_attachments (account_id, message_id, file_name) SELECT 1, n, repeat('x', 1000) FROM "
        )
        connection.execute(text(filling + "generate_series(1, 70) AS n"))
        place = connection.scalar(text("SELECT DISTINCT tableoid::int FROM message_attachments"))
        blocks = connection.scalar(text(f"SELECT pg_relation_size({place}) / 8192"))
        length = 1 if partitions(connection) else 3
    found = 0
    for day in range(-(-blocks // length)):
        sweep_id, _ = a_sweep(engine, policies, PURGE, as_of=NOW - timedelta(days=day))
        [finding] = reconcile(engine, policies, sweep_id, drained=False).findings
        count = int(finding.split()[2])
        assert count < 70
        found += count
    assert (found, blocks) == (70, 10)


def test_a_row_left_in_a_table_that_the_program_does_not_know_is_found(engine, policies, swept):
    sweep_id, accounts = swept[PURGE]
    with damaging(engine) as connection:
        for statement in (
            "CREATE SCHEMA elsewhere",
            'CREATE TABLE elsewhere."odd notes" (id int PRIMARY KEY, "the owner" int REFERENCES accounts)',
            'CREATE TABLE elsewhere.pages (a int, b int, note_id int REFERENCES elsewhere."odd notes", UNIQUE (a, b))',
            "CREATE TABLE elsewhere.lines (x int, y int, FOREIGN KEY (x, y) REFERENCES elsewhere.pages (a, b))",
            "INSERT INTO elsewhere.pages VALUES (1, 2, 9), (3, 4, NULL)",
            "INSERT INTO elsewhere.lines VALUES (1, 2), (2, 1), (NULL, 7)",
        ):
            connection.exec_driver_sql(statement)
        connection.execute(text('INSERT INTO elsewhere."odd notes" VALUES (1, :id)'), {"id": accounts[1]})
    assert set(reconcile(engine, policies, sweep_id, drained=True).findings) == {
        f"sweep {sweep_id}: 1 rows of elsewhere.odd notes (the owner) refer to nothing: {accounts[1]}",
        f"sweep {sweep_id}: 1 rows of elsewhere.pages (note_id) refer to nothing",
        f"sweep {sweep_id}: 1 rows of elsewhere.lines (x, y) refer to nothing",
    }


def test_an_account_recovered_at_an_office_since_raises_no_alarm(engine, policies, swept):
    sweep_id, accounts = swept[COUNTER_ONLY]
    recovered = """
        UPDATE accounts SET state = 'active', email = 'new@example.jp', password_hash = 'new',
                            withdrawn_at = NULL, counter_only_at = NULL WHERE id = :id
    """
    damage(engine, recovered, id=accounts[0])
    damage(engine, "INSERT INTO login_sessions (account_id) VALUES (:id)", id=accounts[0])
    withdrawn = "UPDATE accounts SET state = 'withdrawn', withdrawn_at = now(), counter_only_at = NULL WHERE id = :id"
    damage(engine, withdrawn, id=accounts[1])
    assert reconcile(engine, policies, sweep_id, drained=True).findings == []
