"""Accounts, and all that is theirs, in partitions: nothing is lost on the way, and the worker does as elsewhere."""

import re
from datetime import UTC, datetime
from threading import Thread
from zoneinfo import ZoneInfo

import pytest
from builders import OWNED, a_hold, an_account, dependents, everything_owned
from oracle import findings, remember
from people import people
from planning import explaining, large_tables
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sweeping import LONG_INVALID, closable, purgeable, run_sweep

from models import PolicyName
from models.errors import AddressTakenError, InvalidConfiguration, Refused, Unavailable
from tasks.catalog import catalog_faults
from tasks.explain import explain
from tasks.hash_partitions import partitions
from tasks.holds import place, release
from tasks.reconcile import reconcile
from tasks.transaction import transaction
from tasks.transitions import Credentials
from worker.database import connect, migrate, partition
from worker.seed import Population, seed

NUMBER = 4
NOW = datetime.now(UTC)
CREDENTIALS = Credentials("Taro.Yamada@example.jp", "open sesame")
# What a table has, as one writes it; of partitions, and of what they have by themselves, nothing.
HAS = """
WITH owned AS (SELECT oid, relname FROM pg_class WHERE relname = ANY (:tables) AND relkind IN ('r', 'p'))
SELECT relname, attname || ' ' || format_type(atttypid, atttypmod) || attidentity::text || ' ' || attnotnull
       || coalesce(pg_get_expr(adbin, adrelid), '') || coalesce(col_description(owned.oid, attnum), '')
  FROM owned JOIN pg_attribute ON attrelid = owned.oid LEFT JOIN pg_attrdef ON adrelid = owned.oid AND adnum = attnum
 WHERE attnum > 0 AND NOT attisdropped
UNION ALL SELECT relname, conname || ' ' || pg_get_constraintdef(pg_constraint.oid)
  FROM owned JOIN pg_constraint ON conrelid = owned.oid WHERE contype IN ('c', 'p', 'u')
UNION ALL SELECT relname, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
  FROM owned JOIN pg_index ON indrelid = owned.oid
UNION ALL SELECT relname, pg_get_triggerdef(pg_trigger.oid) || tgenabled::text
  FROM owned JOIN pg_trigger ON tgrelid = owned.oid WHERE NOT tgisinternal
UNION ALL SELECT relname, concat('is ', obj_description(owned.oid, 'pg_class')) FROM owned
UNION ALL SELECT relname, 'rights ' || coalesce(relacl::text, '') || relowner::text
  FROM owned JOIN pg_class USING (oid, relname)
UNION ALL SELECT relname, (seqrelid::regclass, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)::text
  FROM owned JOIN pg_sequence
    ON seqrelid = pg_get_serial_sequence(relname, 'id')::regclass WHERE relname NOT IN ('job_seekings', 'quarantine')
"""
# What an operator added.
ADDED = """
ALTER TABLE messages ADD COLUMN "Read At" timestamptz DEFAULT now();
CREATE INDEX "by reading" ON messages ("Read At") WHERE "Read At" IS NOT NULL;
ALTER TABLE messages ADD CONSTRAINT few UNIQUE (account_id, subject, id) DEFERRABLE;
ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.01);
COMMENT ON TABLE messages IS 'it''s 100 % said';
COMMENT ON COLUMN messages.body IS 'in words';
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER look BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION look();
ALTER TABLE messages DISABLE TRIGGER look;
GRANT SELECT (id, created_at), INSERT ON messages TO PUBLIC
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def run(engine, *statements, **values):
    with engine.begin() as connection:
        return [connection.execute(text(statement), values) for statement in statements][-1]


@pytest.fixture
def ordinary(another_database_url):
    """A database whose tables are not partitioned, whatever form other tests ask for."""
    engine = connect(another_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def filled(ordinary):
    """Accounts of every fate, each with rows in every table."""
    with ordinary.begin() as connection:
        for make in (purgeable, closable, an_account) * 7:
            dependents(connection, make(connection))
        for account_id in (1, 2):
            a_hold(connection, account_id)
            a_hold(connection, account_id, released_at=NOW)
    return ordinary


@pytest.fixture
def parted(filled):
    """The same, in partitions."""
    assert partition(filled, NUMBER)
    return filled


def contents(engine):
    """Every row by table, without what partitions ask of attachments."""
    with engine.begin() as connection:
        return {
            table: connection.scalars(
                text(f"SELECT to_jsonb(t)::text FROM (SELECT * FROM {table}) AS t ORDER BY 1")
                if table != "message_attachments"
                else text("SELECT (to_jsonb(t) - 'account_id')::text FROM message_attachments AS t ORDER BY 1")
            ).all()
            for table in OWNED
        }


def what_it_has(engine):
    return {tuple(row) for row in run(engine, HAS, tables=list(OWNED)).all()}


def is_ordinary(engine):
    with transaction(engine) as connection:
        return not partitions(connection) and catalog_faults(connection) == []


def test_every_row_comes_along_and_numbers_go_on(filled):
    run(
        filled,
        "INSERT INTO message_attachments (message_id, file_name) SELECT min(id), 'old.pdf' FROM messages",
        "SELECT setval('accounts_id_seq', 5000)",
        "SELECT setval('messages_id_seq', 7000, false)",
    )
    before = contents(filled)
    assert all(before.values())
    assert partition(filled, NUMBER)
    assert contents(filled) == before
    with transaction(filled) as connection:
        assert partitions(connection) == NUMBER
        strangers = "SELECT count(*) FROM message_attachments a JOIN messages m ON m.id = message_id"
        assert connection.scalar(text(f"{strangers} WHERE a.account_id <> m.account_id")) == 0
        account_id = an_account(connection)
        message = "INSERT INTO messages (account_id) VALUES (:id) RETURNING id"
        assert (account_id, connection.scalar(text(message), {"id": account_id})) == (5001, 7000)
        spread = connection.scalars(text("SELECT count(*) FROM accounts GROUP BY tableoid")).all()
        assert (len(spread), catalog_faults(connection)) == (NUMBER, [])


def test_whatever_a_table_had_it_has_afterwards(filled):
    run(filled, *ADDED.split(";\n"))
    before = what_it_has(filled)
    partition(filled, NUMBER)
    after = what_it_has(filled)
    # A key includes the account.
    before = {
        (table, re.sub(r"(pk_\w+ .*\(id)\)", r"\1, account_id)", line) if table != "accounts" else line)
        for table, line in before
    }
    # The two keys that cannot are the side table's; an attachment says whose it is.
    address = next(line for _, line in before if "uq_accounts_address" in line)
    assert before - after == {
        ("accounts", address),
        ("accounts", "uq_accounts_email UNIQUE (email)"),
        ("accounts", "CREATE UNIQUE INDEX uq_accounts_email ON public.accounts USING btree (email)"),
        ("message_attachments", "account_id bigint false"),
    }
    index = "CREATE INDEX ix_message_attachments_account_id ON public.message_attachments USING btree (account_id)"
    assert {line for line in after - before if "keep_address" not in line[1]} == {
        ("accounts", address.replace("UNIQUE ", "")),
        ("message_attachments", "account_id bigint true"),
        ("message_attachments", index),
    }
    options = "SELECT DISTINCT reloptions::text FROM pg_class WHERE relname ~ '^messages_[0-9]$'"
    assert run(filled, options).scalars().all() == ["{autovacuum_vacuum_scale_factor=0.01}"]


def test_doing_it_again_changes_nothing_and_another_number_is_refused(parted):
    before = contents(parted)
    assert not partition(parted, NUMBER)
    with pytest.raises(Refused, match=f"accounts are in {NUMBER} partitions.*migrate an empty database"):
        partition(parted, NUMBER + 1)
    assert contents(parted) == before


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE VIEW people AS SELECT id FROM accounts", "view people"),
        ("CREATE MATERIALIZED VIEW people AS SELECT count(*) FROM messages", "view people"),
        ("CREATE PUBLICATION everything FOR TABLE messages", "publication everything"),
        ("CREATE PUBLICATION everything FOR ALL TABLES", "publication everything"),
        ("CREATE TABLE notes (account_id bigint REFERENCES accounts)", "foreign key notes_account_id_fkey of notes"),
        ("CREATE UNIQUE INDEX one_name ON messages (subject)", "unique index one_name"),
        ("ALTER TABLE messages ADD CONSTRAINT one_name UNIQUE (subject)", "unique key one_name of messages"),
        ("CREATE TABLE more () INHERITS (messages)", "table more"),
        ("CREATE RULE nothing AS ON DELETE TO messages DO INSTEAD NOTHING", "a rule of messages"),
        ("ALTER TABLE messages ENABLE ROW LEVEL SECURITY", "row security of messages"),
    ],
)
def test_what_would_not_come_along_is_named_and_nothing_is_changed(filled, made, named):
    run(filled, made)
    before = contents(filled)
    with pytest.raises(InvalidConfiguration, match=named):
        partition(filled, NUMBER)
    with filled.connect() as connection:
        assert partitions(connection) == 0
    assert contents(filled) == before


def test_more_partitions_than_the_server_has_locks_for_are_refused_with_the_setting(filled):
    with pytest.raises(InvalidConfiguration, match=r"256 partitions need .* max_locks_per_transaction \(now"):
        partition(filled, 256)
    assert is_ordinary(filled)


def test_killed_in_the_middle_it_has_changed_nothing(filled):
    before, having = contents(filled), what_it_has(filled)

    def kill(connection, _cursor, statement, *_):
        if statement.startswith("DROP TABLE"):
            process = connection.connection.driver_connection.info.backend_pid
            run(filled, f"SELECT pg_terminate_backend({process})")

    event.listen(filled, "before_cursor_execute", kill)
    with pytest.raises(Unavailable):
        partition(filled, NUMBER)
    event.remove(filled, "before_cursor_execute", kill)
    assert is_ordinary(filled)
    assert (contents(filled), what_it_has(filled)) == (before, having)


def test_whoever_uses_a_table_for_long_is_waited_for_and_then_left_alone(filled):
    with filled.begin() as somebody:
        a_hold(somebody, 3)
        with pytest.raises(Unavailable, match="longer than one waits"):
            partition(filled, NUMBER)
    assert is_ordinary(filled)


def test_sweeps_do_there_what_they_do_elsewhere(ordinary, policies):
    seed(ordinary, Population(400, 7, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    remember(ordinary)
    partition(ordinary, NUMBER)
    for name in (PolicyName.PURGE, PolicyName.COUNTER_ONLY):
        sweep_id = run_sweep(ordinary, policies, name, as_of=NOW, limit=20)
        assert reconcile(ordinary, policies, sweep_id, drained=True).findings == []
    assert findings(ordinary, NOW.isoformat()) == {}
    addresses = "SELECT count(*) FROM account_addresses FULL JOIN accounts ON id = account_id WHERE "
    assert run(ordinary, addresses + "(email IS NULL) <> (address IS NULL)").scalar() == 0


def test_a_database_in_partitions_is_seeded_like_any_other(ordinary, engine):
    with engine.connect() as connection:
        present = partitions(connection)
    partition(engine, present or NUMBER)
    for each in (ordinary, engine):
        seed(each, Population(300, 7, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    with ordinary.connect() as one, engine.connect() as other:
        assert everything_owned(one) == everything_owned(other)


def test_an_attachment_names_the_account_of_its_message(parted):
    with parted.connect() as connection:
        message, account_id = connection.execute(text("SELECT id, account_id FROM messages LIMIT 1")).one()
    attach = "INSERT INTO message_attachments (account_id, message_id) VALUES (:account, :message)"
    for account, refused in ((None, "account_id"), (account_id + 1, "fk_message_attachments_message_id")):
        with pytest.raises(IntegrityError, match=refused):
            run(parted, attach, account=account, message=message)
    run(parted, attach, account=account_id, message=message)


def test_elsewhere_an_attachment_needs_its_message_alone(filled, policies):
    run(filled, "INSERT INTO message_attachments (message_id) SELECT id FROM messages")
    sweep_id = run_sweep(filled, policies, PolicyName.PURGE)
    assert reconcile(filled, policies, sweep_id, drained=True).findings == []
    kept = "SELECT count(*) FROM message_attachments a LEFT JOIN messages m ON m.id = message_id WHERE m.id IS NULL"
    assert run(filled, kept).scalar() == 0


@pytest.mark.parametrize("second", [CREDENTIALS.email, f" {CREDENTIALS.email.upper()}"])
def test_of_two_who_register_one_address_at_the_same_moment_one_wins(parted, second):
    insert = "INSERT INTO accounts (registration, email) VALUES ('online', :email)"
    refused = []

    def register():
        try:
            run(parted, insert, email=second)
        except IntegrityError as error:
            refused.append(error.orig.diag.constraint_name)

    with parted.begin() as first:
        first.execute(text(insert), {"email": CREDENTIALS.email})
        other = Thread(target=register)
        other.start()
        while not run(parted, WAITING).scalar():
            assert other.is_alive()
    other.join()
    assert refused == ["uq_accounts_address"]


def test_an_address_is_an_accounts_until_it_gives_it_up(parted, policies):
    person = people(parted, policies)
    account_id = person.register(CREDENTIALS)
    with pytest.raises(AddressTakenError):
        person.register(CREDENTIALS)
    person.withdraw(account_id)
    run(parted, "UPDATE accounts SET withdrawn_at = :at WHERE id = :id", at=LONG_INVALID, id=account_id)
    run_sweep(parted, policies, PolicyName.COUNTER_ONLY)
    new = person.register(CREDENTIALS)
    assert person.log_in(CREDENTIALS) == new
    run(
        parted,
        "UPDATE job_seekings SET status = 'invalid', invalidated_at = :at WHERE account_id = :id",
        at=LONG_INVALID,
        id=new,
    )
    run_sweep(parted, policies, PolicyName.PURGE)
    assert person.register(CREDENTIALS) > new


def test_nobody_but_the_owner_may_look_at_the_addresses(parted):
    rights = "SELECT relacl FROM pg_class WHERE relname IN ('account_addresses', 'accounts_0')"
    assert run(parted, rights).scalars().all() == [None, None]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("ALTER TABLE accounts_1 DISABLE TRIGGER keep_address", "accounts_1 lacks trigger keep_address"),
        ("ALTER TABLE holds_2 DISABLE TRIGGER stay_released", "holds_2 lacks trigger stay_released"),
        ("DROP TRIGGER keep_address ON accounts", "accounts lacks trigger keep_address"),
        ("DROP TABLE account_addresses", "accounts lacks table account_addresses"),
        (
            "ALTER TABLE messages_3 DROP CONSTRAINT fk_messages_account_id",
            "messages_3 lacks the constraint fk_messages",
        ),
        ("CREATE INDEX later ON ONLY messages (subject)", "messages_0 lacks index later"),
        ("ALTER TABLE documents DETACH PARTITION documents_0", "accounts are in 4 partitions, documents in 3"),
        ("CREATE TABLE notes (id bigint REFERENCES accounts_1)", "table notes refers to accounts and is unknown"),
    ],
)
def test_what_a_partition_lacks_is_named(parted, damage, fault):
    run(parted, damage)
    with parted.connect() as connection:
        assert any(fault in each for each in catalog_faults(connection))


def test_one_account_is_one_partition_of_each_table(parted, policies):
    person = people(parted, policies)
    account_id = person.register(CREDENTIALS)
    run(parted, "ANALYZE")
    remainder = run(parted, "SELECT tableoid::regclass::text FROM accounts WHERE id = :id", id=account_id).scalar()
    with explaining(parted) as plans:
        hold = place(parted, account_id, actor="mori", reason="complaint")
        explain(parted, policies, account_id)
        person.log_in(CREDENTIALS)
        person.invalidate(account_id)
        person.revalidate(account_id)
        person.withdraw(account_id)
    release(parted, hold, actor="mori", reason="settled")
    # By an address, or by the number of something that is not an account, any partition may be the one.
    by_account = {
        scan.table for scan in plans.scans if not scan.asked_by.endswith(("_look_up", "free_address", "list_holds"))
    }
    parts = {table for table in by_account if re.sub(r"_\d+$", "", table) in OWNED}
    assert len(parts) > 5
    assert {table.rsplit("_", 1)[1] for table in parts} == {remainder.rsplit("_", 1)[1]}


def test_a_batch_looks_at_the_rows_of_its_accounts_alone(ordinary, policies):
    seed(ordinary, Population(4000, 7, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    partition(ordinary, NUMBER)
    large = large_tables(ordinary, 200)
    assert {"accounts_0", "job_seekings_1", "messages_2", "message_attachments_3"} <= large
    for name in PolicyName:
        with explaining(ordinary) as plans:
            run_sweep(ordinary, policies, name, as_of=NOW, limit=10)
        seen = [scan for scan in plans.scans if scan.table in large]
        assert {scan.table for scan in seen if scan.how == "Seq Scan"} == set()
        # The most that ten accounts have of anything, messages, with some that have eight times as many.
        assert max(scan.rows for scan in seen) <= 10 * 14 * 8
