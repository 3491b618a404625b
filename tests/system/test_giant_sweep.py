"""One account among ordinary ones that owns very many rows. `make large` gives it a million."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic, sleep

import psutil
import pytest
from builders import an_account, dependents
from giants import EVENTS, GIANT_TABLES, a_giant, rows_of
from people import people
from sqlalchemy import text

from tasks.transitions import Credentials
from worker.database import connect

ROWS = int(os.environ.get("TEST_GIANT", "5000"))
# Fewer than the ceilings allow in any case.
ORDINARY = 80
CREDENTIALS = Credentials("taro@example.jp", "open sesame")
# All of its rows would be some hundred bytes each; the worker holds none of them.
GROWTH_BYTES = 32 << 20
SAYS = ("--actor", "mori", "--reason", "a million messages")


class Watch:
    """What others see while a sweep is at work."""

    def __init__(self) -> None:
        self.memory: dict[int, list[int]] = {}
        self.logins: list[float] = []
        self.present: set[bool] = set()
        self.halves = 0

    def growth(self) -> int:
        """Return by how many bytes a process of the worker has grown at most since it was first seen."""
        return max(max(sizes) - sizes[0] for sizes in self.memory.values())


@contextmanager
def watching(url, policies, worker, policy, giant) -> Iterator[Watch]:
    """Watch from the side: the worker's memory, how long another person's login takes, whether the giant is whole."""
    watch, over = Watch(), Event()
    ends = text(f"SELECT min(id), max(id) FROM {GIANT_TABLES[policy]} WHERE account_id = :id")

    def look() -> None:
        engine = connect(url)
        person = people(engine, policies)
        person.register(CREDENTIALS)
        with engine.connect() as connection:
            first, last = connection.execute(ends, {"id": giant}).one()
        is_there = text(f"SELECT count(*) FROM {GIANT_TABLES[policy]} WHERE id IN (:first, :last)")
        while not over.is_set():
            for process in worker.children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # as one that only asked for the system's name
                    watch.memory.setdefault(process.pid, []).append(process.memory_info().rss)
            began = monotonic()
            person.log_in(CREDENTIALS)
            watch.logins.append(monotonic() - began)
            with engine.connect() as connection:
                found = connection.scalar(is_there, {"first": first, "last": last})
            watch.halves += found == 1
            sleep(0.05)
        engine.dispose()

    looking = Thread(target=look)
    looking.start()
    yield watch
    over.set()
    looking.join()


@pytest.mark.parametrize("policy", ["purge", "counter_only"])
def test_an_account_of_very_many_rows_goes_whole_and_delays_nobody(stack, engine, policies, policy, capsys):
    with engine.begin() as connection:
        giant = a_giant(connection, policy, ROWS)
        for _ in range(ORDINARY):
            dependents(connection, an_account(connection, **EVENTS[policy]))
        connection.exec_driver_sql("DELETE FROM quarantine")
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    worker = psutil.Process(stack.worker(concurrency=2).pid)
    with watching(stack.environment["RETENTION_DATABASE_URL"], policies, worker, policy, giant) as watch:
        began = monotonic()
        (sweep,) = stack.run(policy)
        seconds = monotonic() - began
        aside = stack.retention("quarantine", "list", "--json", check=True).json["quarantine"]
        if aside:
            acted = stack.retention("quarantine", "act", str(giant), *SAYS, "--json", check=True, patience=7200).json
    with engine.connect() as connection:
        assert rows_of(connection, policy, giant) == 0
        batches = [line for line in stack.log("worker") if line["event"] == "batch.committed"]
    assert (sweep["status"], sweep["accounts"]) == ("done", ORDINARY + (not aside))
    assert watch.halves == 0
    assert watch.growth() < GROWTH_BYTES
    with capsys.disabled():
        alone = f"; set aside, and then done alone in {acted['seconds']:,.1f} s" if aside else ""
        longest = max(line["seconds"] for line in batches)
        print(f"\n{policy}: {ORDINARY} accounts and one of {ROWS:,} {GIANT_TABLES[policy]} in {seconds:,.1f} s{alone}")
        print(
            f"longest batch {longest:,.1f} s; slowest of {len(watch.logins)} logins of somebody else "
            f"{max(watch.logins):,.3f} s; worker grew by {watch.growth() / 2**20:,.1f} MiB"
        )
