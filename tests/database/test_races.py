"""A person and the worker meet on one account: exactly one goes first, whole, and the other learns of it.

Both have real connections, stopped at the critical points: before a commit, and between the snapshot of a claim and
its locks. The clock is the database's, and set: T is the instant from which the worker may act.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from actor import Actor
from builders import OWNED, a_sweep, dependents
from clock import DatabaseClock
from people import HASHER, people
from sqlalchemy import text

from models import PolicyName
from models.errors import NoSuchAccountError, RetentionOverError, WindowClosedError
from tasks import holds
from tasks.batch import Batch, run_batch
from tasks.rules.cutoff import Cutoff
from tasks.transitions import Credentials

EVENT = datetime(2027, 3, 10, 1, tzinfo=UTC)
MOMENT = timedelta.resolution
OWN = Credentials("seeker@example.jp", "open sesame")
NEW = Credentials("new@example.jp", "a new one")


@dataclass(frozen=True)
class Meeting:
    """One account that the worker may act on from `T`, and who acts on it."""

    url: str
    engine: object
    clock: DatabaseClock
    policies: object
    policy: PolicyName

    @property
    def T(self):  # noqa: N802 - the instant has no other name
        return self.policies[self.policy].due_from(EVENT)

    def worker(self, **how):
        """Run one batch as of T."""
        cutoff = Cutoff.of(self.policies, self.policy, self.T)
        with self.engine.begin() as connection:
            sweep_id = a_sweep(connection, cutoff, self.T)

        def act(engine):
            return run_batch(engine, self.policies[self.policy], cutoff, sweep_id=sweep_id, lane=0, limit=10)

        return Actor(self.url, act, **how)

    def person(self, act, **how):
        return Actor(self.url, lambda engine: act(people(engine, self.policies)), **how)

    def account(self):
        """What is left of account 1: its state, address and job-seeking status, or None; and no half of it."""
        query = "SELECT state, email, status FROM accounts LEFT JOIN job_seekings ON account_id = id WHERE id = 1"
        with self.engine.connect() as connection:
            row = connection.execute(text(query)).one_or_none()
            if row is None:
                left = [table for table in sorted({*OWNED} - {"accounts", "message_attachments"}) if self._any(table)]
                assert left == []
            return None if row is None else tuple(row)

    def _any(self, table):
        with self.engine.connect() as connection:
            return connection.scalar(text(f"SELECT count(*) FROM {table} WHERE account_id = 1"))

    def log(self):
        """The actions on account 1, each of which has a receipt of its own."""
        query = "SELECT a.action FROM actions a JOIN receipts r ON r.id = receipt_id AND r.accounts = 1 ORDER BY a.id"
        with self.engine.connect() as connection:
            rows = connection.scalars(text(query)).all()
            assert connection.scalar(text("SELECT count(*) FROM receipts")) == len(rows)
        return rows


def withdrawn(connection):
    _an_account(connection, "withdrawn", OWN, withdrawn_at=EVENT)


def closed(connection):
    _an_account(connection, "counter_only", None, invalidated_at=EVENT, withdrawn_at=EVENT)


def invalid(connection):
    _an_account(connection, "active", OWN, invalidated_at=EVENT)


def _an_account(connection, state, credentials, *, invalidated_at=None, withdrawn_at=None):
    values = {
        "state": state,
        "withdrawn_at": withdrawn_at,
        "email": credentials and credentials.email,
        "hash": credentials and HASHER.hash(credentials.password),
        "status": "invalid" if invalidated_at else "valid",
        "invalidated_at": invalidated_at,
    }
    connection.execute(
        text(
            "INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at)"
            " VALUES ('online', :state, :email, :hash, :withdrawn_at)"
        ),
        values,
    )
    connection.execute(
        text("INSERT INTO job_seekings (account_id, status, invalidated_at) VALUES (1, :status, :invalidated_at)"),
        values,
    )
    dependents(connection, 1)
    connection.execute(text("UPDATE applications SET status = 'rejected'"))


@dataclass(frozen=True)
class Case:
    """One pair, and what must come of it.

    Attributes:
        in_time: the person acts in the last moment before T; else at T.
        person_first: the account, and the log, once the person has gone first and a batch has come after.
        worker_first: the error the person gets after the worker, or the account where both go through.
        worker_dies: the error the person gets, or the account, when the worker's batch is rolled back.
    """

    policy: PolicyName
    account: object
    act: object
    in_time: bool
    person_first: tuple
    log: list[str]
    worker_first: object
    worker_dies: object


def _hold(person):
    return holds.place(person.engine, 1, actor="legal", reason="complaint")


MOVED, PURGED = ["counter_only"], ["purge"]
SELF = OWN.email
CASES = {
    "reactivate and counter_only": Case(
        PolicyName.COUNTER_ONLY,
        withdrawn,
        lambda person: person.reactivate(OWN),
        True,
        ("active", SELF, "valid"),
        [],
        WindowClosedError,
        WindowClosedError,
    ),
    "register and counter_only": Case(
        PolicyName.COUNTER_ONLY,
        withdrawn,
        lambda person: person.register(OWN),
        False,
        ("counter_only", None, "valid"),
        MOVED,
        ("counter_only", None, "valid"),
        ("counter_only", None, "valid"),
    ),
    "hold and counter_only": Case(
        PolicyName.COUNTER_ONLY,
        withdrawn,
        _hold,
        False,
        ("withdrawn", SELF, "valid"),
        [],
        ("counter_only", None, "valid"),
        ("withdrawn", SELF, "valid"),
    ),
    "hold and purge": Case(
        PolicyName.PURGE,
        invalid,
        _hold,
        False,
        ("active", SELF, "invalid"),
        [],
        NoSuchAccountError,
        ("active", SELF, "invalid"),
    ),
    "revalidate and purge": Case(
        PolicyName.PURGE,
        invalid,
        lambda person: person.revalidate(1, by="staff", office="13010"),
        False,
        ("active", SELF, "valid"),
        [],
        NoSuchAccountError,
        ("active", SELF, "valid"),
    ),
    # These two do not stop the years: who is first in time has them whole, and the next batch deletes as the law says.
    "recover and purge": Case(
        PolicyName.PURGE,
        closed,
        lambda person: person.recover(1, NEW, staff="0815", office="13010"),
        True,
        ("active", NEW.email, "invalid"),
        PURGED,
        NoSuchAccountError,
        RetentionOverError,
    ),
    "withdraw and purge": Case(
        PolicyName.PURGE,
        invalid,
        lambda person: person.withdraw(1),
        False,
        ("withdrawn", SELF, "invalid"),
        PURGED,
        NoSuchAccountError,
        ("withdrawn", SELF, "invalid"),
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return request.param


@pytest.fixture
def meeting(case, engine, database_url, policies):
    with engine.begin() as connection:
        case.account(connection)
    return Meeting(database_url, engine, DatabaseClock(engine), policies, case.policy)


def test_a_person_who_is_first_goes_first_whole(meeting, case):
    meeting.clock.set(meeting.T - MOMENT if case.in_time else meeting.T)
    person = meeting.person(case.act, stops=True).is_stopped()
    meeting.clock.set(meeting.T)
    assert meeting.worker().outcome() == Batch()
    person_got = person.outcome()
    assert not isinstance(person_got, Exception), person_got
    assert meeting.account() == case.person_first
    _next_batch(meeting, case)


def _next_batch(meeting, case):
    """What comes next is the law's: nothing, where the person has stopped it; all, where they could not."""
    meeting.worker().outcome()
    assert meeting.account() == (None if case.log == PURGED else case.person_first)
    assert meeting.log() == case.log


def test_a_worker_that_is_first_goes_first_whole_and_the_person_is_told(meeting, case):
    meeting.clock.set(meeting.T)
    worker = meeting.worker(stops=True).is_stopped()
    person = meeting.person(case.act).is_waiting(meeting.engine)
    assert worker.outcome().accounts == 1
    person_got = person.outcome()
    assert meeting.log() == ([case.policy.value])
    if not isinstance(case.worker_first, type):
        assert not isinstance(person_got, Exception), person_got
        assert meeting.account() == case.worker_first
        return
    assert isinstance(person_got, case.worker_first), person_got
    assert ("deleted for ever" if case.policy == PolicyName.PURGE else "window of account 1 is over") in str(person_got)
    assert meeting.account() == (None if case.policy == PolicyName.PURGE else ("counter_only", None, "valid"))


def test_a_worker_that_dies_before_its_commit_leaves_the_account_to_the_person(meeting, case):
    meeting.clock.set(meeting.T)
    before = meeting.account()
    worker = meeting.worker(stops=True).is_stopped()
    person = meeting.person(case.act).is_waiting(meeting.engine)
    worker.is_killed(meeting.engine)
    assert isinstance(worker.outcome(), Exception)
    person_got = person.outcome()
    if isinstance(case.worker_dies, type):
        assert isinstance(person_got, case.worker_dies), person_got
        assert (meeting.account(), meeting.log()) == (before, [])
    else:
        assert not isinstance(person_got, Exception), person_got
        assert meeting.account() == case.worker_dies


# A clock that stops who looks at it, once: volatile, so that it is not asked while the statement is planned, but by
# the running scan, whose snapshot is older than whatever is committed while it stands still.
STOPPING_CLOCK = """
CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('race.stops', true) = 'on' THEN
        PERFORM set_config('race.stops', 'off', false), pg_advisory_xact_lock_shared(4711);
    END IF;
    RETURN (SELECT at FROM clock.hands);
END $$
"""


def test_what_is_committed_between_a_claims_snapshot_and_its_locks_is_seen(meeting, case):
    with meeting.engine.begin() as connection:
        connection.exec_driver_sql(STOPPING_CLOCK)
    with meeting.engine.connect() as gate:
        gate.execute(text("SELECT pg_advisory_xact_lock(4711)"))
        meeting.clock.set(meeting.T)
        worker = meeting.worker(first="SET race.stops = 'on'").is_waiting(meeting.engine)
        meeting.clock.set(meeting.T - MOMENT if case.in_time else meeting.T)
        person_got = meeting.person(case.act).outcome()
        assert not isinstance(person_got, Exception), person_got
        meeting.clock.set(meeting.T)
    batch = worker.outcome()
    if case.act is _hold:  # it locks no row of the account's in a way that the claim itself could notice
        assert batch.claimed == 1
    # Whom the person could not save, the batch may take at once: it came after them.
    assert batch.accounts == (1 if case.log == PURGED else 0)
    assert meeting.account() == (None if case.log == PURGED else case.person_first)
    _next_batch(meeting, case)
