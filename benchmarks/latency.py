"""How long one waits: from a tick to the first action, for the pages that people and dashboards ask for, for a seed."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import Engine, Select, func, select

from benchmarks.measures import Bench
from benchmarks.populations import fill_idle, fill_long_log, settle
from benchmarks.variants import first_answer, running
from models import Action
from tasks.standing import read_standing
from worker.database import migrate
from worker.seed import Population, seed

__all__ = ["PAGES", "answer", "first_action", "pages", "seeding"]

ASKS = 20
PATIENCE_SECONDS = 120
PAGES = {"the page": "/", "the page's figures": "/api/v1/status", "the last actions": "/api/v1/log/actions"}
PAGES |= {"a chart": "/charts/done/purge.svg?width=600", "metrics": "/metrics"}


def answer(page: str, accounts: int, actions: int) -> str:
    """Return the name of a figure."""
    return f"{page} with {accounts:,} accounts and {actions:,} actions ms"


def seeding(bench: Bench, accounts: int, rounds: int) -> None:
    """Seed whole accounts into new databases: accounts and rows a second."""
    for _ in range(rounds):
        with bench.database() as (_, engine):
            migrate(engine)
            began = perf_counter()
            rows = seed(engine, _population(accounts), append=False, progress=lambda _: None)
            seconds = perf_counter() - began
            bench.note("seeding accounts/s", accounts / seconds)
            bench.note("seeding rows/s", sum(rows.values()) / seconds)
            bench.say(f"seeded {accounts:,} accounts at {accounts / seconds:,.0f}/s")


def first_action(bench: Bench, accounts: int, rounds: int) -> None:
    """Send what beat sends at a tick, and wait for the first action that comes of it: milliseconds, by one clock."""
    for number in range(rounds):
        with bench.database() as (url, engine):
            migrate(engine)
            seed(engine, _population(accounts), append=False, progress=lambda _: None)
            settle(engine)
            app = bench.app(url)
            with bench.worker(url, f"latency-{number}"):
                began = datetime.now(UTC)
                app.send_task("retention.dispatch")
                waited = (_first_action(engine) - began).total_seconds()
            bench.note("from a tick to the first action ms", waited * 1000)
            bench.say(f"the first action came {waited * 1000:.0f} ms after the tick")


def pages(bench: Bench, sizes: Iterable[tuple[int, int]]) -> None:
    """Ask for each page again and again, in a small database and then in a large one: milliseconds, each time."""
    for accounts, actions in sizes:
        with bench.database() as (url, engine):
            bench.say(f"making {accounts:,} accounts and {actions:,} actions")
            fill_long_log(engine, actions)
            fill_idle(engine, accounts)
            with bench.worker(url, f"pages-{accounts}"), _serving(bench, url, accounts) as address:
                bench.app(url).send_task("retention.measure")
                first_answer(engine, read_standing, "nothing was measured", within=PATIENCE_SECONDS)
                with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS, trust_env=False) as client:
                    for page, path in PAGES.items():
                        for _ in range(ASKS):
                            bench.note(answer(page, accounts, actions), _asked(client, path))


def _population(accounts: int) -> Population:
    return Population(accounts, 0, datetime.now(UTC), ZoneInfo("Asia/Tokyo"))


def _first_action(engine: Engine) -> datetime:
    first: Select[datetime] = select(func.min(Action.acted_at))
    return first_answer(engine, lambda asked: asked.scalar(first), "no action came", within=PATIENCE_SECONDS)


def _asked(client: httpx.Client, path: str) -> float:
    began = perf_counter()
    client.get(path).raise_for_status()
    return (perf_counter() - began) * 1000


@contextmanager
def _serving(bench: Bench, url: str, accounts: int) -> Iterator[str]:
    """Run `retention serve` while the block runs; gives its address."""
    log = bench.directory / f"web-{accounts}.log"
    environment = {"RETENTION_DATABASE_URL": url, "RETENTION_BROKER_URL": bench.broker_url, "RETENTION_WEB_PORT": "0"}
    with running("worker", "serve", environment=environment, log=log) as web:
        yield f"http://127.0.0.1:{_port(web, log)}"


def _port(web: "subprocess.Popen[bytes]", log: Path) -> int:
    while web.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("{") and line.endswith("}") and (said := json.loads(line))["event"] == "web.started":
                return int(said["port"])
        sleep(0.05)
    raise RuntimeError(f"the web server does not start; its log is {log}")
