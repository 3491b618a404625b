"""What the campaign strikes: servers, four workers, two beats and a web server, with people on the accounts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from administration import Administration
from celery import Celery
from crowd import PASSWORD, Diary, Person
from crowd_promises import broken
from crowd_records import keep_records, populate, write_down
from own_servers import OwnServers
from people import HASHER
from processes import Process, Stack
from sqlalchemy import make_url, text

from chaos.gate import Gate, gate
from worker.database import connect, migrate

__all__ = ["Deployment", "deployment"]

WORKERS, BEATS = 4, 2
SETTINGS = {
    "RETENTION_BATCH_ACCOUNTS": "8",
    "RETENTION_CEILING_SHARE": "1",
    "RETENTION_CEILING_FORECAST": "1e9",
    "RETENTION_PURGE_CRON": "0 0 1 1 *",
    "RETENTION_COUNTER_ONLY_CRON": "0 0 1 1 *",
    "RETENTION_WEB_PORT": "0",
}
# The crowd's judgement asks for the time by this name.
CLOCK = """
CREATE SCHEMA clock;
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT pg_catalog.now()'
"""
OPEN = "SELECT count(*) FROM sweeps WHERE ended_at IS NULL"
FAILED = "SELECT count(*) FROM sweeps WHERE status = 'failed'"
# A fault may well be an error that a sweep has met; that it does not end, or fails, is judged here.
OF_ERRORS = "a sweep has met an error, or has not ended"
# Where a commit was not answered, people do not know themselves what they did.
OF_PEOPLE = {"what people did is not what the history tells", "what people did is not what the holds tell"}
OF_LOGINS = {"a login is lost, of an account that was never left"}


class Deployment:
    """One database, one Redis, and every kind of process; only workers come to the database by the gate."""

    def __init__(self, servers: OwnServers, database_url: str, gate: Gate, directory: Path, **changes: str) -> None:
        self.servers, self.gate, self.database_url = servers, gate, database_url
        self.database = make_url(database_url).database
        self.engine = connect(database_url, pooled=False)
        self.stack = Stack(database_url, servers.broker_url, directory, **SETTINGS | changes)
        self._started = 0
        self.workers: list[Process] = []
        self.beats: list[Process] = []
        self.web: Process
        self.diary = Diary()
        self._app = Celery(broker=servers.broker_url, set_as_current=False)
        self._app.config_from_object("celeryconfig")

    def populate(self, accounts: int) -> None:
        """Fill the database with accounts of every kind, some of them due."""
        migrate(self.engine)
        with self.engine.begin() as connection:
            connection.execute(text(CLOCK))
        keep_records(self.engine)
        populate(self.engine, accounts=accounts, start=datetime.now(UTC), password_hash=HASHER.hash(PASSWORD))
        with self.engine.begin() as connection:
            # The years of some are over; whoever is due has one history, as all have.
            connection.execute(text(OVERDUE))

    def revive(self) -> None:
        """Start what is not there, or no longer."""
        self.workers = self._alive(self.workers, WORKERS, "celery", "-A", "worker", "worker", "--concurrency=2")
        self.beats = self._alive(self.beats, BEATS, "celery", "-A", "worker", "beat")
        (self.web,) = self._alive([self.web] if hasattr(self, "web") else [], 1, "worker", "serve")

    def send(self, task: str, **how: Any) -> None:
        """Send a task by its name, as any other program would."""
        self._app.send_task(task, **how)

    def administrator(self, statement: str) -> None:
        """Carry a statement out from another database, outside any transaction."""
        with Administration(self.servers.database_url) as administration:
            administration(statement)

    def scalar(self, query: str) -> Any:
        """Ask the database one thing."""
        with self.engine.connect() as connection:
            return connection.scalar(text(query))

    @contextmanager
    def people(self, seed: int, *, every: float = 0.01) -> Iterator[None]:
        """Let people act on the accounts, one after another, each so many seconds, while the block runs."""
        over, person = Event(), Person(self.database_url, seed)

        def live() -> None:
            while not over.wait(every):
                try:
                    person.do_something()
                except Exception:  # noqa: BLE001 - a look at an account is no act; the database may be away
                    sleep(0.1)

        thread = Thread(target=live)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            person.close()
            self.diary = person.diary

    def settle(self, most_ticks: int) -> int:
        """Make a minute's tick each five seconds until no sweep is open; returns how many it took, or one too many."""
        for tick in range(most_ticks + 1):
            ends = monotonic() + 5
            while monotonic() < ends:
                if not self.scalar(OPEN):
                    return tick
                sleep(0.1)
            self.revive()  # whoever was told to stop may have taken until now
            self.send("retention.dispatch", expires=55)
        return most_ticks + 1

    def judge(self) -> dict[str, int]:
        """Return which promises are broken, and how often."""
        with self.engine.connect() as connection:
            write_down(self.engine, self.diary.done)
            found = broken(connection)
        found.pop(OF_ERRORS, None)
        if self.diary.unavailable:
            for promise in OF_PEOPLE | OF_LOGINS:
                found.pop(promise, None)
        verdicts = {"a sweep has failed": self.scalar(FAILED), "a sweep has not ended": self.scalar(OPEN)}
        verdicts["people met something unexpected"] = sum(self.diary.unexpected.values())
        verdicts["the log does not verify"] = self.stack.retention("log", "verify", "--whole").code
        return found | {what: number for what, number in verdicts.items() if number}

    def close(self) -> None:
        """End every process, and every connection."""
        self.stack.stop()
        self._app.close()
        self.engine.dispose()

    def _alive(self, processes: list[Process], wanted: int, module: str, *arguments: str) -> list[Process]:
        alive = [each for each in processes if each.poll() is None]
        is_worker = arguments[2:3] == ("worker",)  # a beat's application has that name, too
        for _ in range(wanted - len(alive)):
            self._started += 1
            name = f"{arguments[-1].strip('-').split('=')[0]}{self._started}"
            worker = ("--hostname", f"{name}@%h") if is_worker else ()
            url = self.gate.url if is_worker else self.database_url
            alive.append(self.stack.start(module, *arguments, *worker, log=name, RETENTION_DATABASE_URL=url))
        return alive


OVERDUE = """
WITH moved AS (
    UPDATE job_seekings
       SET invalidated_at = date_trunc('day', now() - interval '1830 days' * (1 + random() / 20), 'Asia/Tokyo')
     WHERE status = 'invalid' AND account_id % 3 = 1 RETURNING account_id, invalidated_at)
UPDATE transitions t SET at = moved.invalidated_at FROM moved
 WHERE t.account_id = moved.account_id AND t.kind = 'invalidate'
"""


@contextmanager
def deployment(servers: OwnServers, directory: Path, **changes: str) -> Iterator[Deployment]:
    """Run a deployment on a database of its own while the block runs."""
    with ExitStack() as made:
        name = f"chaos_{uuid4().hex}"
        with Administration(servers.database_url) as administration:
            administration(f"CREATE DATABASE {name}")
        with servers.redis() as client:
            client.flushall()
        url = make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)
        it = Deployment(servers, url, made.enter_context(gate(url)), directory, **changes)
        made.callback(it.close)
        yield it
