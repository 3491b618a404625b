"""The ways of doing one slice: ours with and without Celery, raw SQL in a loop and at once, the ORM one by one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, TypeVar

import psycopg
from celery import Celery
from sqlalchemy import Connection, Engine, Select, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from benchmarks.populations import FIRST_DAY
from models import Account, Base, JobSeeking, Message, MessageAttachment, Policies, PolicyName, Sweep, SweepStatus
from tasks.batch import run_batch
from tasks.drain import examination
from tasks.rules.batch_size import first_accounts, next_accounts
from tasks.rules.cutoff import Cutoff
from tasks.statements.purge import owned_tables
from tasks.statements.sweeps import insert_sweep, start_sweep
from tasks.transaction import transaction
from worker.settings import Settings

__all__ = [
    "RAW",
    "celery_sweep",
    "first_answer",
    "orm_purge",
    "raw_at_once",
    "raw_loop",
    "running",
    "running_worker",
    "without_celery",
]

T = TypeVar("T")

RAW_BATCH_ACCOUNTS = 500
MOST_ACCOUNTS = Settings().batch_accounts

# What somebody writes by hand who wants nothing but speed: one statement a batch that claims, acts and logs. It takes
# no second look at holds, writes no receipt, and trusts its own day arithmetic.
DELETES = ", ".join(
    f"d{number} AS (DELETE FROM {table.name} WHERE "
    + {
        "accounts": "id = ANY(ARRAY(SELECT id FROM due))",
        "message_attachments": (
            "message_id = ANY(ARRAY(SELECT id FROM messages WHERE account_id = ANY(ARRAY(SELECT id FROM due))))"
        ),
    }.get(table.name, "account_id = ANY(ARRAY(SELECT id FROM due))")
    + ")"
    for number, table in enumerate(owned_tables())
)
LOG = """
INSERT INTO raw_actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id)
SELECT '{action}', id, event_at, (date_trunc('day', event_at AT TIME ZONE 'Asia/Tokyo') + {period})
       AT TIME ZONE 'Asia/Tokyo', now(), 0, 0 FROM due
"""
RAW = {
    PolicyName.PURGE: f"""
        WITH due AS MATERIALIZED (
            SELECT a.id, j.invalidated_at AS event_at FROM job_seekings j JOIN accounts a ON a.id = j.account_id
             WHERE j.status = 'invalid' AND j.invalidated_at <= %(cutoff)s
               AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL)
             ORDER BY j.invalidated_at, j.account_id LIMIT %(limit)s FOR UPDATE OF a, j SKIP LOCKED), {DELETES}
        {LOG.format(action="purge", period="interval '1 day' + interval '5 years'")}""",
    PolicyName.COUNTER_ONLY: f"""
        WITH due AS MATERIALIZED (
            SELECT id, withdrawn_at AS event_at FROM accounts a WHERE state = 'withdrawn' AND withdrawn_at < %(cutoff)s
               AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL)
               AND NOT EXISTS (SELECT FROM job_seekings j WHERE j.account_id = a.id AND j.status = 'invalid'
                                  AND j.invalidated_at <= %(cutoff)s)
             ORDER BY withdrawn_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
        moved AS (
            UPDATE accounts SET state = 'counter_only', email = NULL, password_hash = NULL, counter_only_at = now(),
                   version = version + 1 WHERE id = ANY(ARRAY(SELECT id FROM due))),
        sessions AS (DELETE FROM login_sessions WHERE account_id = ANY(ARRAY(SELECT id FROM due)))
        {LOG.format(action="counter_only", period="interval '31 days'")}""",
}


def raw_loop(url: str, policy: PolicyName, cutoff: datetime, *, connections: int = 1) -> tuple[int, float]:
    """Do a slice by the raw SQL loop in so many connections side by side; returns accounts and seconds."""
    with ExitStack() as opened, ThreadPoolExecutor(connections) as executor:
        each = [opened.enter_context(psycopg.connect(url)) for _ in range(connections)]
        began = perf_counter()
        accounts = sum(executor.map(partial(_loop, policy, cutoff), each))
        return accounts, perf_counter() - began


def _loop(policy: PolicyName, cutoff: datetime, connection: psycopg.Connection) -> int:
    accounts = 0
    while done := connection.execute(RAW[policy], {"cutoff": cutoff, "limit": RAW_BATCH_ACCOUNTS}).rowcount:
        connection.commit()
        accounts += done
    return accounts


def raw_at_once(url: str, policy: PolicyName, cutoff: datetime) -> tuple[int, float]:
    """Do a slice by one statement, as large as it is; returns accounts and seconds."""
    with psycopg.connect(url) as connection:
        began = perf_counter()
        accounts = connection.execute(RAW[policy], {"cutoff": cutoff, "limit": None}).rowcount
        connection.commit()
        return accounts, perf_counter() - began


def without_celery(
    engine: Engine, policies: Policies, policy: PolicyName, cutoff: datetime, *, each: int | None = None
) -> tuple[int, float]:
    """Do a slice by the worker's own batches, one after the other in this process; returns accounts and seconds.

    `each` is how many accounts a batch takes; None lets it follow the time that a batch took, as the worker does.
    """
    bounds = Cutoff(policy, cutoff, cutoff)
    with transaction(engine) as connection:
        sweep_id = connection.execute(_asked(bounds)).scalar_one()
        connection.execute(start_sweep(sweep_id, due=0, allowed=None, seen=SweepStatus.QUEUED))
    examine = examination(engine, policy)
    accounts, limit, began, place = 0, each or first_accounts(alone=True), perf_counter(), None
    while True:
        started = perf_counter()
        batch = run_batch(
            engine, policies[policy], bounds, sweep_id=sweep_id, lane=0, limit=limit, place=place, examine=examine
        )
        if batch is None or not batch.claimed:
            break
        place = batch.place
        accounts += batch.accounts
        limit = each or next_accounts(batch.claimed, perf_counter() - started, most=MOST_ACCOUNTS, alone=True)
    return accounts, perf_counter() - began


def _asked(bounds: Cutoff) -> ReturningInsert[int]:
    # An instant at which the law names this cutoff, or reconciliation would miss all that is due by now.
    local = bounds.at.astimezone(FIRST_DAY.tzinfo)
    purging = bounds.policy is PolicyName.PURGE
    as_of = local.replace(year=local.year + 5) if purging else local + timedelta(days=30)
    return insert_sweep(bounds, as_of=as_of, tick=None, actor="bench", reason="bench", fingerprint=None)


def orm_purge(engine: Engine, cutoff: datetime) -> tuple[int, float]:
    """Purge a slice as an ORM is often used: one account, its rows loaded and deleted each, one transaction."""
    due = select(JobSeeking.account_id).where(JobSeeking.invalidated_at <= cutoff).order_by(JobSeeking.invalidated_at)
    accounts = 0
    with Session(engine) as session:
        began = perf_counter()
        for account_id in session.scalars(due).all():
            for rows in _rows_of(account_id):
                for row in session.scalars(rows):
                    session.delete(row)
                session.flush()
            session.commit()
            accounts += 1
    return accounts, perf_counter() - began


def _rows_of(account_id: int) -> Iterator[Select[Any]]:
    messages = select(Message.id).where(Message.account_id == account_id)
    entities = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    for table in owned_tables():
        rows = select(entities[table])
        if table is Account.__table__:
            yield rows.where(table.c.id == account_id)
        elif table is MessageAttachment.__table__:
            yield rows.where(table.c.message_id.in_(messages))
        else:
            yield rows.where(table.c.account_id == account_id)


def celery_sweep(
    app: Celery, engine: Engine, policy: PolicyName, cutoff: datetime, *, look_every: float = 0.02
) -> tuple[int, float]:
    """Do a slice as in production: a sweep's row, its message, the running workers; returns accounts and seconds.

    Whoever looks whether it has ended takes from the processors that it is measured on: in one round trip each.
    """
    began = perf_counter()
    with transaction(engine) as connection:
        sweep_id = connection.execute(_asked(Cutoff(policy, cutoff, cutoff))).scalar_one()
    app.send_task("retention.sweep", (sweep_id,))
    looking = select(Sweep.status, Sweep.accounts).where(Sweep.id == sweep_id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while True:
            status, done = connection.execute(looking).one()
            if status == SweepStatus.DONE:
                return done, perf_counter() - began
            if status not in (SweepStatus.QUEUED, SweepStatus.RUNNING):
                raise RuntimeError(f"sweep {sweep_id} is {status}")
            sleep(look_every)


def first_answer(engine: Engine, question: Callable[[Connection], T | None], what: str, *, within: float) -> T:
    """Ask the database again and again, for so many seconds, until there is an answer; returns it."""
    ends = perf_counter() + within
    while perf_counter() < ends:
        with engine.connect() as connection:
            found = question(connection)
        if found is not None:
            return found
        sleep(0.02)
    raise RuntimeError(f"{what} within {within} s")


@contextmanager
def running_worker(environment: dict[str, str], log: Path, *, processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker with so many processes while the block runs."""
    command = ("celery", "-A", "worker", "worker", f"--concurrency={processes}")
    with running(*command, environment=environment, log=log) as worker:
        while b"ready." not in log.read_bytes():
            if worker.poll() is not None:
                raise RuntimeError(f"the worker does not start; its log is {log}")
            sleep(0.05)
        yield worker


@contextmanager
def running(*module: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module, with its arguments, while the block runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
