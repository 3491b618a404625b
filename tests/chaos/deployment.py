"""What the campaign strikes: servers, four workers, two beats and a web server, with people on the accounts."""

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from shutil import rmtree
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from administration import Administration
from celery import Celery
from crowd import Diary, Person
from processes import Process, Stack, until
from sqlalchemy import make_url, text

from chaos.gate import Gate, gate
from chaos.population import copied
from chaos.servers import Servers
from worker.database import connect

__all__ = ["BEATS", "TESTS", "WRONG_CLOCK", "Deployment", "deployment"]

TESTS = Path(__file__).parents[1]
WRONG_CLOCK = TESTS / "wrong_clock"
ACCOUNTS, WORKERS, BEATS = 300, 4, 2
# Whose minutes last five seconds.
TICKING, TICK_SECONDS = "chaos.ticking", 5
SETTINGS = {
    "RETENTION_BATCH_ACCOUNTS": "8",
    "RETENTION_CEILING_SHARE": "1",
    "RETENTION_CEILING_FORECAST": "1e9",
    "RETENTION_PURGE_CRON": "0 0 1 1 *",
    "RETENTION_COUNTER_ONLY_CRON": "0 0 1 1 *",
    "RETENTION_WEB_PORT": "0",
}
STARTED = {"worker": b"ready.", "beat": b"beat: Starting", "web": b'"web.started"'}
# And the policies of which nobody has begun a sweep yet, but for those by which a person's address moves.
OPEN = """
SELECT count(*) FILTER (WHERE ended_at IS NULL) + 2 - count(DISTINCT policy) FILTER (WHERE actor IN ('beat', 'chaos'))
  FROM sweeps"""
A_MINUTE = "UPDATE sweeps SET heard_at = heard_at - interval '1 minute' WHERE ended_at IS NULL"
BEFORE_ACTIONS = """
CREATE OR REPLACE FUNCTION chaos.before_actions() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {}; RETURN NULL; END $$"""


class Deployment:
    """One database, one Redis, and every kind of process; only workers come to the database by the gate.

    `changes` are of the environment of workers and beats; `beat` is the module of the application that beats run.

    Attributes:
        workers, beats, web: the processes that are there now.
        ended: how often a process of a kind has ended with an exit code.
        diary: what people did, once they are gone.
        files: the directory that has a file for each key of a document.
    """

    def __init__(
        self, servers: Servers, database_url: str, gate: Gate, directory: Path, *, beat: str, **changes: str
    ) -> None:
        self._beat = beat
        self.servers, self.gate, self.database_url = servers, gate, database_url
        self.database = make_url(database_url).database
        # What waits longer waits for ever, as behind sessions that a clock has stopped.
        patient = make_url(database_url).update_query_dict({"options": "-cstatement_timeout=60s"})
        self.engine = connect(patient.render_as_string(hide_password=False), pooled=False)
        self._clock = directory / "clock"
        self.step_clocks(timedelta())
        self.files = self._made_files(directory / "files")
        of_files = {"RETENTION_DOCUMENTS_URL": self.files.as_uri()}
        self.stack = Stack(database_url, servers.broker_url, directory, **SETTINGS, **of_files)
        self._changes = {"CLOCK_SHIFT_FILE": str(self._clock)} | changes
        self._started = 0
        self._logs: dict[int, Path] = {}
        self.workers: list[Process] = []
        self.beats: list[Process] = []
        self._webs: list[Process] = []
        self.ended: Counter[tuple[str, int]] = Counter()
        self.diary = Diary()
        self._app = Celery(broker=servers.broker_url, set_as_current=False)
        self._app.config_from_object("celeryconfig")

    @property
    def web(self) -> Process:
        """The web server that is there now."""
        return self._webs[0]

    def log_of(self, process: Process) -> Path:
        """Return where a process writes to, or has."""
        return self._logs[process.pid]

    def revive(self, *, beats: int = BEATS) -> None:
        """Start what is not there, or no longer; so many beats."""
        self.workers = self._alive(
            "worker", self.workers, WORKERS, "celery", "-A", "worker", "worker", "--concurrency=2"
        )
        self.beats = self._alive("beat", self.beats, beats, "celery", "-A", self._beat, "beat")
        self._webs = self._alive("web", self._webs, 1, "worker", "serve")

    def wait_until_at_work(self) -> None:
        """Wait until every process is at its work, or has ended."""
        for kind, processes in (("worker", self.workers), ("beat", self.beats), ("web", self._webs)):
            for process in processes:
                until(partial(self._has_begun, process, STARTED[kind]), f"a {kind} is at work")

    def send(self, task: str, **how: Any) -> None:
        """Send a task by its name, as any other program would."""
        self._app.send_task(task, **how)

    def administrator(self, statement: str) -> Any:
        """Carry a statement out from another database, outside any transaction; returns the first value."""
        with Administration(self.servers.database_url) as administration:
            return administration(statement)

    def before_actions(self, what: str) -> None:
        """Let this happen before each statement that adds to the log of actions, in place of what happened before."""
        with Administration(self.database_url) as administration:
            administration(BEFORE_ACTIONS.format(what or "NULL"))

    def step_clocks(self, by: timedelta) -> None:
        """Let the clocks of our own processes be off by so much, of those that were started for it."""
        if not self._clock.exists():
            self._clock.write_bytes(bytes(8))
        with self._clock.open("r+b") as file:
            file.write(struct.pack("d", by.total_seconds()))

    def workers_said(self, words: bytes) -> int:
        """Count how often workers have said something in their logs."""
        return sum(log.read_bytes().count(words) for log in self.stack.directory.glob("worker*.log"))

    def scalar(self, query: str) -> Any:
        """Ask the database one thing."""
        with self.engine.connect() as connection:
            return connection.scalar(text(query))

    def column(self, query: str) -> list[Any]:
        """Ask the database for one thing of many."""
        with self.engine.connect() as connection:
            return list(connection.scalars(text(query)))

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
        """Wait until both policies were swept and no sweep is open; returns how many ticks it took, or one too many.

        With each tick a minute goes by, so what was last heard of a sweep lies as much longer ago.
        """
        for tick in range(most_ticks + 1):
            ends = monotonic() + TICK_SECONDS
            while monotonic() < ends:
                if not self.scalar(OPEN):
                    return tick
                sleep(0.1)
            self.revive()  # whoever was told to stop may have taken until now
            with self.engine.begin() as connection:
                connection.execute(text(A_MINUTE))
        return most_ticks + 1

    def _made_files(self, directory: Path) -> Path:
        directory.mkdir()
        for key in self.column("SELECT storage_key FROM documents WHERE storage_key IS NOT NULL"):
            file = directory / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"%PDF")
        return directory

    def close(self) -> None:
        """End every process, and every connection; the database is no longer wanted."""
        self.stack.stop()
        self._app.close()
        self.engine.dispose()
        rmtree(self.files)
        self.administrator(f"DROP DATABASE {self.database} WITH (FORCE)")

    def _has_begun(self, process: Process, says: bytes) -> bool:
        return process.poll() is not None or says in self._logs[process.pid].read_bytes()

    def _alive(self, kind: str, processes: list[Process], wanted: int, module: str, *arguments: str) -> list[Process]:
        alive = [each for each in processes if each.poll() is None]
        self.ended.update((kind, each.returncode) for each in processes if each not in alive)
        for _ in range(wanted - len(alive)):
            self._started += 1
            name = f"{kind}{self._started}"
            of_a_worker = ("--hostname", f"{name}@%h") if kind == "worker" else ()
            url = self.gate.url if kind == "worker" else self.database_url
            changes = {} if kind == "web" else self._changes
            started = self.stack.start(
                module, *arguments, *of_a_worker, log=name, RETENTION_DATABASE_URL=url, **changes
            )
            self._logs[started.pid] = self.stack.directory / f"{name}.log"
            alive.append(started)
        return alive


@contextmanager
def deployment(
    servers: Servers, directory: Path, *, accounts: int = ACCOUNTS, beat: str = TICKING, **changes: str
) -> Iterator[Deployment]:
    """Run a deployment on a database of its own, with so many accounts, while the block runs."""
    with ExitStack() as made:
        servers.start()  # whatever a round that broke off has left
        url = copied(servers, f"chaos_{uuid4().hex}", accounts=accounts)
        with servers.redis() as client:
            client.flushall()
        it = Deployment(servers, url, made.enter_context(gate(url)), directory, beat=beat, **changes)
        made.callback(it.close)
        yield it
