"""Databases to measure on: whole accounts for purging, thin ones for closing windows and for scanning."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from models import PARTITIONED
from worker.database import migrate
from worker.seed import Population, seed

__all__ = ["checkpoint", "cutoff_of", "fill_due", "fill_idle", "fill_long_log", "fill_thin", "fill_whole", "settle"]

# Slice k is the accounts whose event lies in day k from here on. A cutoff at the end of that day, with all earlier
# slices done, is about slice k alone; so every measurement finds work of its own in one database.
FIRST_DAY = datetime(2015, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))

# The raw loop's log is a table of its own, or reconciliation would ask for the receipts that it does not write.
RAW_LOG = """
CREATE TABLE raw_actions (LIKE actions INCLUDING ALL);
ALTER TABLE raw_actions ADD PRIMARY KEY (id);
ALTER TABLE raw_actions DROP COLUMN digest
"""

WHOLE = [
    "DELETE FROM holds",
    "UPDATE accounts SET state = 'active', withdrawn_at = NULL, counter_only_at = NULL WHERE state <> 'active'",
    "UPDATE job_seekings SET status = 'valid', invalidated_at = NULL WHERE status = 'invalid'",
    # Which accounts are due has nothing to do with where they lie.
    """
    WITH ranked AS (SELECT account_id, row_number() OVER (ORDER BY md5(account_id::text)) AS rank FROM job_seekings)
    UPDATE job_seekings j
       SET status = 'invalid', invalidated_at = :first + slice * interval '1 day' + rank * interval '1 ms'
      FROM ranked r CROSS JOIN LATERAL (SELECT width_bucket(rank, CAST(:bounds AS bigint[])) AS slice) s
     WHERE r.account_id = j.account_id AND rank <= :due
    """,
]
THIN = [
    """
    WITH made AS (
        INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at)
        SELECT 'online', 'withdrawn', 'seeker' || n || '@example.jp', repeat('x', 97), :first + n * interval '1 ms'
          FROM generate_series(1, :due) AS n ORDER BY md5(n::text) RETURNING id)
    INSERT INTO job_seekings (account_id, status) SELECT id, 'valid' FROM made
    """,
    """
    WITH ranked AS (SELECT id, row_number() OVER (ORDER BY withdrawn_at) AS rank FROM accounts)
    UPDATE accounts a SET withdrawn_at = :first + slice * interval '1 day' + rank * interval '1 ms'
      FROM ranked r CROSS JOIN LATERAL (SELECT width_bucket(rank, CAST(:bounds AS bigint[])) AS slice) s
     WHERE r.id = a.id
    """,
    """
    INSERT INTO login_sessions (account_id, user_agent)
    SELECT id, repeat('u', 60) FROM accounts, generate_series(1, 3)
    """,
]
IDLE = """
    WITH made AS (
        INSERT INTO accounts (registration, state, email, withdrawn_at)
        SELECT 'online', CASE WHEN n % 8 = 0 THEN 'withdrawn' ELSE 'active' END, 'idle' || n || '@example.jp',
               CASE WHEN n % 8 = 0 THEN now() - n % 30 * interval '1 day' END
          FROM generate_series(1, :accounts) AS n RETURNING id)
    INSERT INTO job_seekings (account_id, status, invalidated_at)
    SELECT id, 'invalid', now() - id % 1800 * interval '1 day' FROM made
"""
NO_AUTOVACUUM = """
DO $$
DECLARE each regclass;
BEGIN
    FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', each);
    END LOOP;
END $$
"""
# Every n-th, with another remainder for each policy; an account withdrawn for long whose registration is valid.
DUE = [
    """
    UPDATE job_seekings SET invalidated_at = now() - interval '6 years'
     WHERE account_id IN (SELECT id FROM accounts WHERE id % 10 = 3 ORDER BY md5(id::text) LIMIT :accounts)
    """,
    """
    WITH closing AS (SELECT id FROM accounts WHERE id % 10 = 7 ORDER BY md5(id::text) LIMIT :accounts),
         valid AS (UPDATE job_seekings SET status = 'valid', invalidated_at = NULL
                    WHERE account_id IN (SELECT id FROM closing))
    UPDATE accounts SET state = 'withdrawn', withdrawn_at = now() - interval '40 days'
     WHERE id IN (SELECT id FROM closing)
    """,
]
# A new log's first partition takes all that came before it, too. It makes way for one for each year, as there would be.
YEARS = """
SELECT make_log_partition(log, log || '_' || year,
                          format('FOR VALUES FROM (%L) TO (%L)', year || '-01-01 00:00Z', year + 1 || '-01-01 00:00Z'))
  FROM unnest(CAST(:logs AS text[])) AS log, generate_series(CAST(:year AS integer) - 5, :year) AS year
"""
# Five years of two sweeps a day, each receipt of 500 actions. The digests are none, so it is a log to look at, not to
# verify: a verification goes on from its end.
LONG_LOG = [
    """
    INSERT INTO sweeps (policy, as_of, cutoff, status, actor, reason, started_at, ended_at)
    SELECT CASE n % 2 WHEN 0 THEN 'purge' ELSE 'counter_only' END, at, at, 'done', 'bench', 'bench', at, at
      FROM generate_series(1, 3650) AS n, LATERAL (SELECT now() - (3650 - n) * interval '12 hours' AS at) AS ended
    """,
    """
    INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
    SELECT n, s.id, s.policy, least(500, :actions - 500 * (n - 1)), '{"accounts": 500}', s.ended_at,
           sha256(int8send(n)), sha256(int8send(n - 1)), sha256(int8send(n))
      FROM generate_series(1, (:actions + 499) / 500) AS n
      JOIN sweeps s ON s.id = 1 + (n - 1) * 3650 / ((:actions + 499) / 500) ORDER BY n
    """,
    """
    INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
    SELECT r.action, n, r.acted_at - interval '5 years', r.acted_at, r.acted_at, r.sweep_id, r.id, sha256(int8send(n))
      FROM receipts r, generate_series(500 * (r.number - 1) + 1, 500 * (r.number - 1) + r.accounts) AS n
     ORDER BY r.id, n
    """,
    """
    INSERT INTO days_of_actions (day, action, accounts, batches)
    SELECT (acted_at AT TIME ZONE 'Asia/Tokyo')::date, action, sum(accounts), count(*) FROM receipts GROUP BY 1, 2
    """,
    """
    UPDATE chain_heads SET number = r.number, actions = :actions, previous = r.previous, digest = r.digest
      FROM (SELECT * FROM receipts ORDER BY id DESC LIMIT 1) AS r
    """,
    """
    INSERT INTO verified_to (number, digest, actions, again_number, again_digest, again_actions)
    SELECT number, digest, actions, 0, '', 0 FROM chain_heads
    """,
]


def cutoff_of(number: int) -> datetime:
    """Return a bound that takes in all of a slice and nothing of the next."""
    return FIRST_DAY + timedelta(days=number + 1)


def fill_whole(engine: Engine, slices: list[int], *, accounts: int) -> None:
    """Seed whole accounts with all that is theirs; those of each slice are due for purging."""
    _prepare(engine)
    population = Population(accounts, 0, datetime.now(UTC), ZoneInfo("Asia/Tokyo"))
    seed(engine, population, append=False, progress=lambda _: None)
    _slice(engine, WHOLE, slices)


def fill_thin(engine: Engine, slices: list[int]) -> None:
    """Make withdrawn accounts with three login sessions each; those of each slice are due for closing."""
    _prepare(engine)
    _slice(engine, THIN, slices)


def _prepare(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(RAW_LOG)


def fill_idle(engine: Engine, accounts: int) -> None:
    """Make accounts of which none is due for anything."""
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text(IDLE), {"accounts": accounts})
    settle(engine)


def fill_long_log(engine: Engine, actions: int) -> None:
    """Write a log as long as so many actions make it, in partitions of a year each."""
    migrate(engine)
    year = datetime.now(UTC).year
    with engine.begin() as connection:
        for log in PARTITIONED:
            connection.exec_driver_sql(f"DROP TABLE {log}_{year}")
        connection.execute(text(YEARS), {"logs": list(PARTITIONED), "year": year})
        for statement in LONG_LOG:
            connection.execute(text(statement), {"actions": actions} if ":actions" in statement else {})
    settle(engine)


def fill_due(engine: Engine, accounts: int) -> None:
    """Make so many of the accounts of `fill_idle` due for purging, and as many others due for closing."""
    with engine.begin() as connection:
        for statement in DUE:
            connection.execute(text(statement), {"accounts": accounts})
    settle(engine)


def settle(engine: Engine) -> None:
    """Leave behind neither dead rows nor a checkpoint that would fall into a measurement."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
    checkpoint(engine)


def checkpoint(engine: Engine) -> None:
    """Let every page be written, so that whoever comes next writes the whole of each that they change first."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))


def _slice(engine: Engine, statements: list[str], slices: list[int]) -> None:
    """Make the slices, in tables that only the harness vacuums: by itself it would come upon one way, not another."""
    # width_bucket gives 0 below the first bound: the ranks of slice 0 come before it.
    values = {"first": FIRST_DAY, "bounds": [total + 1 for total in accumulate(slices)], "due": sum(slices)}
    with engine.begin() as connection:
        for statement in statements:
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)
        connection.execute(text(NO_AUTOVACUUM))
    settle(engine)
