"""A batch acts on what is due, on nothing else, and logs each account, in one transaction."""

import re
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import OWNED, a_hold, a_sweep, an_account, dependents, everything_owned
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from models import Account, Action, PolicyName, Receipt
from models.errors import StatementError, Unavailable
from tasks.batch import ACTING, run_batch
from tasks.hash_partitions import acts_by_partition
from tasks.rules.cutoff import Cutoff
from tasks.rules.steps import steps
from tasks.statements.claim import claim
from tasks.statements.purge import owned_tables
from tasks.transaction import transaction

NOW = datetime.now(UTC)
LONG_WITHDRAWN, LONG_INVALID = NOW - timedelta(days=50), NOW - timedelta(days=3000)


@pytest.fixture
def batch(engine, policies):
    """Run one batch of a policy."""
    sweeps = {}

    def run(name: PolicyName, limit: int = 100):
        cutoff = Cutoff.of(policies, name, NOW)
        if name not in sweeps:
            with engine.begin() as connection:
                sweeps[name] = a_sweep(connection, cutoff, NOW)
        return run_batch(engine, policies[name], cutoff, sweep_id=sweeps[name], lane=0, limit=limit)

    return run


def purgeable(connection) -> int:
    account_id = an_account(connection, status="invalid", invalidated_at=LONG_INVALID)
    dependents(connection, account_id)
    return account_id


def closable(connection) -> int:
    account_id = an_account(connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN)
    dependents(connection, account_id)
    return account_id


def actions(engine) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        return [
            (row.action, row.account_id) for row in connection.execute(select(Action.__table__).order_by(Action.id))
        ]


def test_a_purge_deletes_every_row_of_the_account_and_none_of_another(engine, batch):
    with engine.begin() as connection:
        gone, kept = purgeable(connection), an_account(connection)
        dependents(connection, kept)
        a_hold(connection, gone, released_at=NOW)
    assert batch(PolicyName.PURGE).accounts == 1
    with engine.connect() as connection:
        left = everything_owned(connection)
        assert connection.scalar(select(Account.id)) == kept
        receipt = connection.execute(select(Receipt.__table__)).one()
    assert left == dict.fromkeys(OWNED, 2) | {"accounts": 1, "job_seekings": 1, "holds": 0}
    assert receipt.rows == dict.fromkeys(OWNED, 2) | {"accounts": 1, "job_seekings": 1, "holds": 1}
    assert actions(engine) == [("purge", gone)]


def test_every_table_that_refers_to_accounts_is_purged():
    assert sorted(table.name for table in owned_tables()) == sorted(OWNED)


def test_an_action_says_what_happened_when_and_why_it_was_due(engine, batch, policies):
    with engine.begin() as connection:
        account_id = purgeable(connection)
    batch(PolicyName.PURGE)
    with engine.connect() as connection:
        action = connection.execute(select(Action.__table__)).one()
        receipt = connection.execute(select(Receipt.__table__)).one()
    assert (action.action, action.account_id, action.event_at) == ("purge", account_id, LONG_INVALID)
    assert action.due_at == policies.purge.due_from(LONG_INVALID)
    assert (action.receipt_id, action.sweep_id, action.acted_at) == (receipt.id, receipt.sweep_id, receipt.acted_at)
    assert receipt.accounts == 1


def test_closing_a_window_erases_credentials_and_sessions_and_keeps_the_rest(engine, batch):
    with engine.begin() as connection:
        account_id = closable(connection)
        before = everything_owned(connection)
    assert batch(PolicyName.COUNTER_ONLY).accounts == 1
    with engine.connect() as connection:
        row = connection.execute(select(Account.__table__)).one()
        assert everything_owned(connection) == before | {"login_sessions": 0}
    assert (row.state, row.email, row.password_hash) == ("counter_only", None, None)
    assert row.withdrawn_at == LONG_WITHDRAWN
    assert row.counter_only_at is not None
    assert row.version == 2
    assert actions(engine) == [("counter_only", account_id)]


def test_the_address_of_a_moved_account_is_free_again(engine, batch):
    with engine.begin() as connection:
        closable(connection)
        email = connection.scalar(select(Account.email))
    batch(PolicyName.COUNTER_ONLY)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO accounts (registration, email) VALUES ('online', :email)"), {"email": email}
        )


def test_an_account_due_for_both_is_left_to_the_purge(engine, batch):
    with engine.begin() as connection:
        both = an_account(
            connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN, status="invalid", invalidated_at=LONG_INVALID
        )
    assert batch(PolicyName.COUNTER_ONLY).claimed == 0
    assert batch(PolicyName.PURGE).accounts == 1
    assert actions(engine) == [("purge", both)]


def test_a_batch_takes_the_oldest_first_and_no_more_than_its_limit(engine, batch):
    with engine.begin() as connection:
        ids = [
            an_account(connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN - timedelta(hours=n))
            for n in range(5)
        ]
    assert batch(PolicyName.COUNTER_ONLY, limit=2).accounts == 2
    assert [account for _, account in actions(engine)] == ids[:2:-1]


def test_an_account_that_somebody_has_locked_is_passed_over(engine, batch):
    with engine.begin() as connection:
        first, second = closable(connection), closable(connection)
    with engine.begin() as person:
        person.execute(select(Account.id).where(Account.id == first).with_for_update())
        assert batch(PolicyName.COUNTER_ONLY).accounts == 1
    assert actions(engine) == [("counter_only", second)]


# Entries of an index that a session has read since it began.
ENTRIES = "SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class WHERE relkind = 'i' AND relname LIKE :key"
# By policy: many who fall due at one instant, and the index by which they are found.
AT_ONCE = {
    PolicyName.COUNTER_ONLY: (
        """INSERT INTO accounts (registration, state, withdrawn_at)
           SELECT 'online', 'withdrawn', now() - interval '50 days' FROM generate_series(1, 500)""",
        "%withdrawn_at_%",
    ),
    PolicyName.PURGE: (
        """WITH made AS (INSERT INTO accounts (registration) SELECT 'online' FROM generate_series(1, 500) RETURNING id)
           INSERT INTO job_seekings (account_id, status, invalidated_at)
           SELECT id, 'invalid', now() - interval '3000 days' FROM made""",
        "%invalidated_at_%",
    ),
}


@pytest.mark.parametrize("policy", list(PolicyName))
def test_a_lanes_next_batch_passes_over_nothing_that_the_sweep_has_done(engine, policies, policy):
    """Whatever a sweep did stays in the indexes until vacuum comes, and that waits for whoever has an old snapshot."""
    many, key = AT_ONCE[policy]
    cutoff = Cutoff.of(policies, policy, NOW)
    with engine.begin() as connection:
        connection.execute(text(many))
        connection.execute(text("ANALYZE"))
        sweep_id = a_sweep(connection, cutoff, NOW)
    place, read = None, []
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as dump:
        dump.detach()
        dump.execute(select(func.count(Account.id)))
        for _ in range(40):
            engine.dispose()
            done = run_batch(
                engine,
                policies[policy],
                cutoff,
                sweep_id=sweep_id,
                lane=0,
                limit=10,
                place=place,
                check=lambda connection, _: read.append(connection.scalar(text(ENTRIES), {"key": key})),
            )
            place = done.place
    assert len(read) == 40
    assert min(read) >= 10
    assert max(read) <= 50


def test_whom_a_lane_has_passed_by_it_claims_at_its_end(by_hand, engine):
    """Whose hold is released while a drain works on later accounts need not wait for another."""
    hand = by_hand(batch_accounts=1)
    hand.app.runtime = replace(hand.runtime, drain_seconds=60)
    with engine.begin() as connection:
        held, *others = (closable(connection) for _ in range(4))
        a_hold(connection, held)
        connection.execute(text(RELEASED_MEANWHILE))
    number = hand.request()
    assert hand.sweep(number).status == "running"
    hand.do("drain", number, 0)
    assert [account for _, account in actions(engine)] == [*others, held]


RELEASED_MEANWHILE = """
CREATE FUNCTION release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE holds SET released_at = statement_timestamp(), released_by = 'legal' WHERE released_at IS NULL;
      RETURN NULL; END $$;
CREATE TRIGGER release AFTER INSERT ON actions FOR EACH STATEMENT EXECUTE FUNCTION release()
"""


@pytest.fixture(params=list(PolicyName))
def claimed(request, engine, policies):
    """An account of each policy's, claimed in an open transaction: (connection, cutoff, its number)."""
    policy = request.param
    with engine.begin() as connection:
        account_id = closable(connection) if policy == PolicyName.COUNTER_ONLY else purgeable(connection)
        cutoff = Cutoff.of(policies, policy, NOW)
        sweep_id = a_sweep(connection, cutoff, NOW)
    with transaction(engine) as connection:
        accounts, numbers, dates, *_ = connection.execute(claim(cutoff), {"most": 10}).one()
        assert (accounts, numbers) == (1, f"{{{account_id}}}")

        def act():
            starts, dues = steps(policies[policy], dates)
            given = {"claimed": numbers, "starts": starts, "dues": dues}
            acting = ACTING[policy](cutoff, sweep_id, partitioned=acts_by_partition(connection))
            return connection.execute(acting, given).one_or_none()

        yield connection, account_id, act


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO holds (account_id, reason, placed_by) VALUES (:id, 'complaint', 'legal')",
        """
        UPDATE accounts SET state = 'active', withdrawn_at = NULL WHERE id = :id AND state = 'withdrawn';
        UPDATE job_seekings SET status = 'valid', invalidated_at = NULL WHERE account_id = :id
        """,
        "UPDATE job_seekings SET status = 'invalid', invalidated_at = NULL WHERE account_id = :id",
    ],
    ids=["hold", "came back", "anomaly"],
)
def test_what_the_claim_could_not_see_is_seen_before_acting(claimed, change):
    """The claim's own connection makes the change: to the acting statement it is as any that was committed."""
    connection, account_id, act = claimed
    for statement in change.split(";"):
        connection.execute(text(statement), {"id": account_id})
    assert act() is None


def test_nobody_places_a_hold_or_adds_a_row_while_a_batch_has_the_account(engine, claimed):
    _, account_id, act = claimed
    for insert in ("INSERT INTO holds (account_id, reason, placed_by) VALUES (:id, '', '')", NEW_SESSION):
        with pytest.raises(Unavailable), transaction(engine, lock=timedelta(milliseconds=50)) as person:
            person.execute(text(insert), {"id": account_id})
    assert act() is not None


NEW_SESSION = "INSERT INTO login_sessions (account_id) VALUES (:id)"


def test_a_released_hold_stays_released(engine):
    """Taking a release back would lock nothing, and so could come between a batch's last look and its end."""
    with engine.begin() as connection:
        a_hold(connection, an_account(connection), released_at=NOW)
    with pytest.raises(DBAPIError, match="released for good"), engine.begin() as connection:
        connection.execute(text("UPDATE holds SET released_at = NULL"))


def test_the_oldest_date_that_the_database_lets_in_can_be_acted_on(engine, batch):
    with engine.begin() as connection:
        an_account(connection, state="withdrawn", withdrawn_at=datetime(1900, 1, 1, tzinfo=UTC))
        an_account(connection, status="invalid", invalidated_at=datetime(1900, 1, 1, tzinfo=UTC))
    assert batch(PolicyName.COUNTER_ONLY).accounts == batch(PolicyName.PURGE).accounts == 1


def test_a_batch_that_fails_half_way_leaves_no_trace(engine, batch):
    with engine.begin() as connection:
        purgeable(connection)
        before = everything_owned(connection)
        # The last thing a batch does is to write its actions.
        connection.execute(text("ALTER TABLE actions ADD CONSTRAINT refuses CHECK (account_id < 0)"))
    with pytest.raises(StatementError, match=r"SQLSTATE 23514 at table actions_\d+, constraint refuses"):
        batch(PolicyName.PURGE)
    with engine.connect() as connection:
        assert everything_owned(connection) == before
        assert connection.scalar(select(func.count()).select_from(Receipt)) == 0


def test_the_database_itself_refuses_an_action_before_its_due_instant(engine, policies):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with engine.begin() as connection:
        edge = policies.counter_only.cutoff(tomorrow) - timedelta(hours=1)
        an_account(connection, state="withdrawn", withdrawn_at=edge)
        cutoff = Cutoff.of(policies, PolicyName.COUNTER_ONLY, tomorrow)
        sweep_id = a_sweep(connection, cutoff, tomorrow)
    with pytest.raises(StatementError, match="not_before_due"):
        run_batch(engine, policies.counter_only, cutoff, sweep_id=sweep_id, lane=0, limit=10)


def test_a_lane_is_worked_by_one_batch_at_a_time(engine, batch):
    with engine.begin() as connection:
        closable(connection)
    with engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(1::int, 0::int)"))
        assert batch(PolicyName.COUNTER_ONLY) is None
    assert batch(PolicyName.COUNTER_ONLY).accounts == 1


def test_an_unknown_table_that_refers_to_accounts_stops_a_purge_and_loses_nothing(engine, batch):
    with engine.begin() as connection:
        account_id = purgeable(connection)
        before = everything_owned(connection)
        connection.execute(text("CREATE TABLE notes (account_id bigint PRIMARY KEY REFERENCES accounts)"))
        connection.execute(text("INSERT INTO notes VALUES (:id)"), {"id": account_id})
    with pytest.raises(StatementError, match="SQLSTATE 23503 at table notes"):
        batch(PolicyName.PURGE)
    with engine.connect() as connection:
        assert everything_owned(connection) == before


def test_errors_quote_no_data(engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (registration, email) VALUES ('online', 'secret@example.jp')"))
    with pytest.raises(StatementError) as caught, transaction(engine) as connection:
        connection.execute(text("INSERT INTO accounts (registration, email) VALUES ('online', 'secret@example.jp')"))
    shown = "".join(traceback.format_exception(caught.value))
    assert "secret" not in shown
    assert re.search("constraint uq_accounts_(email|address)", shown)


def test_one_at_work_takes_one_core(engine):
    def cores(connection):
        for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            connection.execute(text(f"SET LOCAL {setting} = 0"))
        plan = connection.scalars(text("EXPLAIN SELECT count(*) FROM accounts")).all()
        return "several" if any("Gather" in line for line in plan) else "one"

    with engine.begin() as plain, transaction(engine) as ours:
        plain.execute(text("SET LOCAL max_parallel_workers_per_gather = 2"))
        assert (cores(plain), cores(ours)) == ("several", "one")
