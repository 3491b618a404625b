"""People and the worker on the same accounts at once, for years within seconds. `make large` has 10,000 accounts."""

import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from celery import Celery
from clock import DatabaseClock
from crowd import ACTS, PASSWORD, Diary, live
from crowd_damage import DAMAGE, damage
from crowd_promises import PROMISES, broken
from crowd_records import keep_records, populate, write_down
from people import HASHER
from processes import until
from sqlalchemy import text

ACCOUNTS = int(os.environ.get("TEST_CROWD_ACCOUNTS", "300"))
SECONDS = float(os.environ.get("TEST_CROWD_SECONDS", "10"))
PEOPLE = 4
MOST_OPEN_SWEEPS = 6
START = datetime(2027, 4, 1, 3, tzinfo=UTC)
YEAR = timedelta(days=365.25)
BY_HAND = {"policy": "all", "actor": "crowd", "reason": "test"}
# The database's clock is years ahead of the workers', and most accounts of so few fall due within seconds.
BRAKES_OFF = {"RETENTION_CLOCK_SKEW_SECONDS": "1e10", "RETENTION_CEILING_SHARE": "1"}
OPEN_SWEEPS = "SELECT id, policy, status, held_for, failure FROM sweeps WHERE ended_at IS NULL ORDER BY id"


def years(seconds: float) -> float:
    """How many years pass: twelve, and in a short time fewer, or no window would be open while one thinks."""
    return min(12, 0.6 * seconds)


class Crowd:
    """A population on a clock that runs, with workers on it."""

    def __init__(self, stack, engine) -> None:
        self._stack, self._engine = stack, engine
        self._clock = DatabaseClock(engine)
        self._clock.set(START, speed=1)
        stack.environment |= BRAKES_OFF
        keep_records(engine)

    def meet(self, accounts: int, seconds: float) -> Diary:
        """Let people and workers loose on so many accounts for so long; then let all come to rest, and sweep again."""
        populate(self._engine, accounts=accounts, start=START, password_hash=HASHER.hash(PASSWORD))
        self.workers = [self._stack.worker(f"worker{number}", concurrency=2) for number in range(2)]
        diary = self._live(seconds)
        assert {sweep["status"] for sweep in self._stack.run("all")} == {"done"}
        write_down(self._engine, diary.done)
        return diary

    def _live(self, seconds: float) -> Diary:
        spawn = multiprocessing.get_context("spawn")
        url = self._stack.environment["RETENTION_DATABASE_URL"]
        with self._sending() as send, spawn.Manager() as manager, ProcessPoolExecutor(PEOPLE, spawn) as processes:
            together = manager.Barrier(PEOPLE + 1)
            people = [processes.submit(live, url, seed, seconds, together) for seed in range(PEOPLE)]
            until(lambda: together.n_waiting == PEOPLE, "all people are there")
            self._clock.set(self._clock.now(), speed=years(seconds) * YEAR / timedelta(seconds=seconds))
            together.wait()
            while not all(person.done() for person in people):
                if self._open_sweeps() < MOST_OPEN_SWEEPS:
                    send("retention.run", kwargs=BY_HAND)
                time.sleep(0.1)
            self._come_to_rest(send)
            return sum((person.result() for person in people), Diary())

    def _come_to_rest(self, send) -> None:
        """Wait for the sweeps under way, then stop the clock: it must not fall behind what is being written."""
        for attempt in count(1):
            if not self._open_sweeps():
                break
            assert attempt < 2000, f"sweeps do not end: {self.rows(OPEN_SWEEPS)}"
            if attempt % 50 == 0:  # a sweep whose messages were given up is woken, as beat does it
                send("retention.recover")
            time.sleep(0.1)
        self._clock.set(self._clock.now())

    @contextmanager
    def _sending(self):
        """Send tasks by their names, as any other program would."""
        with Celery(broker=self._stack.environment["RETENTION_BROKER_URL"], set_as_current=False) as app:
            app.config_from_object("celeryconfig")
            yield app.send_task

    def _open_sweeps(self) -> int:
        return self.scalar("SELECT count(*) FROM sweeps WHERE ended_at IS NULL")

    def scalar(self, query: str):
        with self._engine.connect() as connection:
            return connection.scalar(text(query))

    def rows(self, query: str):
        with self._engine.connect() as connection:
            return connection.execute(text(query)).all()


@pytest.fixture
def crowd(stack, engine):
    return Crowd(stack, engine)


def test_people_and_the_worker_at_once_never_break_a_promise(crowd, engine, capsys):
    diary = crowd.meet(ACCOUNTS, SECONDS)
    with engine.connect() as connection:
        promises = broken(connection)
    with capsys.disabled():
        print_diary(diary)
        print_log(crowd)
        print(f"{len(PROMISES)} promises; broken: {promises or 'none'}")
    assert promises == {}
    assert diary.unexpected == Counter()
    assert {act for act, _ in diary.done} == set(ACTS)
    assert crowd.scalar("SELECT count(DISTINCT action) FROM actions") == 2
    assert all(worker.poll() is None for worker in crowd.workers)


# Every promise has to be one that can be broken, and these by nothing else than what was done to them.
EXACTLY = {
    "a version does not count the changes": set(),
    "two accounts have one address": set(),
    "something due is left": set(),
    "a date lies in the future": set(),
    "what people did is not what the history tells": {
        "the history does not explain an account's state",
        "the history does not explain a status",
        "a version does not count the changes",
    },
    "a change of status is not allowed after the one before": {"what people did is not what the history tells"},
}


def test_every_promise_can_be_broken_and_is_then_reported(crowd, engine):
    crowd.meet(accounts=300, seconds=10)
    assert DAMAGE.keys() == PROMISES.keys()
    for promise, statements in DAMAGE.items():
        with engine.connect() as connection:
            damage(connection, statements)
            reported = broken(connection).keys()
        assert promise in reported, statements
        assert promise not in EXACTLY or reported == {promise} | EXACTLY[promise]


def print_diary(diary: Diary) -> None:
    done = Counter(act for act, _ in diary.done)
    print(f"\n{PEOPLE} people on {ACCOUNTS} accounts for {SECONDS:g} s, {years(SECONDS):g} years by the clock\n")
    for act in ACTS:
        refused = {error: n for (of, error), n in sorted(diary.refused.items()) if of == act}
        unavailable = sum(n for (of, _), n in diary.unavailable.items() if of == act)
        print(f"{act:<11}{done[act]:>7,} done{sum(refused.values()):>7,} refused{unavailable:>4} unavailable", end="")
        print(f"{diary.unknown[act]:>4} unknown  ", end="")
        print(", ".join(f"{error} {n:,}" for error, n in refused.items()))
    for name, counts in (("unavailable", diary.unavailable), ("UNEXPECTED", diary.unexpected)):
        for (act, error), n in counts.most_common():
            print(f"{name}: {act}: {n} x {error}")


LOG = """
    SELECT action, count(*) AS accounts, count(*) FILTER (WHERE reason LIKE 'its address%') AS given_away
      FROM actions JOIN sweeps ON sweeps.id = sweep_id GROUP BY 1 ORDER BY 1"""
SWEPT = "SELECT (SELECT count(*) FROM sweeps), (SELECT count(*) FROM receipts)"


def print_log(crowd: Crowd) -> None:
    print()
    for row in crowd.rows(LOG):
        print(
            f"{row.action:<14}{row.accounts:>7,} accounts, {row.given_away:,} of them because an address was given away"
        )
    print("{:,} sweeps, {:,} batches".format(*crowd.rows(SWEPT)[0]))
    for row in crowd.rows("SELECT state, count(*) AS accounts FROM accounts GROUP BY 1 ORDER BY 1"):
        print(f"left: {row.state:<14}{row.accounts:>7,}")
