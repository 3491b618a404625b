"""A database after years of service: many accounts, few of them due, long histories; and what one may read of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from by_hand import ByHand
from logs import a_long_log
from planning import Plans
from sqlalchemy import Engine, text
from sweeping import NOW, damaging

from models import Policies
from worker.deployment import Deployment
from worker.seed import Population, seed

__all__ = ["DUE", "GONE", "LARGE", "ROWS_OF_A_BATCH", "Filled", "fill", "read_without_need"]

ACCOUNTS = 20_000
SWEEPS, RECEIPTS, ACTIONS_EACH = 3000, 1500, 4
# The first account that the log alone knows.
GONE = 10_000_000
# Of each policy's due accounts so many stay due: few among many, as on any day of a large service.
DUE = 20
# A batch here claims all that is due, and an account's rows of one table are some 20, of few accounts some 200.
ROWS_OF_A_BATCH = 100 * DUE
FEW_DUE = """
UPDATE job_seekings SET invalidated_at = now() - interval '2 years' WHERE account_id IN (
    SELECT account_id FROM job_seekings WHERE invalidated_at < now() - interval '5 years' ORDER BY 1 OFFSET :due);
UPDATE accounts SET withdrawn_at = now() - interval '2 days' WHERE id IN (
    SELECT id FROM accounts WHERE withdrawn_at < now() - interval '30 days' AND state = 'withdrawn'
     ORDER BY 1 OFFSET :due)
"""
# Sweeps are written first, for the others refer to them; half of them purged.
SWEPT = """
INSERT INTO sweeps (policy, tick, as_of, cutoff, actor, reason, status, fingerprint, due, accounts, batches,
                    started_at, ended_at)
SELECT policy, at, at, at, 'beat', 'cron', 'done', fingerprint, 60, 60, 1, at, at
  FROM generate_series(:sweeps / 2, 1, -1) AS n, LATERAL (SELECT now() - n * interval '12 hours') AS tick (at),
       (VALUES ('counter_only', :counter_only), ('purge', :purge)) AS policies (policy, fingerprint)
"""
# One sweep waits for a person, and so does its plan.
HISTORY = """
INSERT INTO decisions (at, kind, policy, sweep_id, actor, reason, details)
SELECT now(), 'held', 'purge', n, 'worker', 'r', '{}' FROM generate_series(1, :sweeps) AS n;
INSERT INTO forecasts (policy, day, made_on, accounts)
SELECT policy, made_on + ahead, made_on, 60
  FROM unnest(ARRAY['purge', 'counter_only']) AS policy, generate_series(1, 90) AS ahead,
       generate_series(1, 100) AS ago, LATERAL (SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date - ago) AS made (made_on);
INSERT INTO days_of_actions (day, action, accounts, batches)
SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date - n, action, 60, 1
  FROM generate_series(1, 2000) AS n, unnest(ARRAY['purge', 'counter_only']) AS action;
INSERT INTO doomed_files (storage_key, sweep_id, settled_at, actor, reason)
SELECT NULL, n, now(), 'mori', 'r' FROM generate_series(1, 2000) AS n;
INSERT INTO doomed_files (storage_key, sweep_id, attempts, failure, next_try_at)
SELECT 'documents/gone/' || n, n, 3, 'ConnectionError', now() + interval '1 hour' FROM generate_series(1, 2000) AS n;
INSERT INTO holds (account_id, reason, placed_by, released_at, released_by, release_reason)
SELECT id, 'r', 'legal', now(), 'legal', 'r' FROM accounts WHERE id <= 6000;
INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
SELECT id, 'purge', 3, 'r', now(), now(), now() FROM accounts WHERE state = 'active' ORDER BY id LIMIT 20;
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, held_at, held_for, planned, planned_digest)
VALUES ('purge', now(), now(), 'sato', 'r', 'held', now(), '[]', 6000, '');
INSERT INTO planned_accounts (sweep_id, account_id)
SELECT sweeps.id, accounts.id FROM sweeps, accounts WHERE status = 'held' AND accounts.id <= 6000;
ANALYZE
"""
LARGE = {"accounts", "job_seekings", "messages", "transitions", f"actions_{NOW.year}", f"receipts_{NOW.year}"}
LARGE |= {"sweeps", "decisions", "forecasts", "days_of_actions", "doomed_files", "holds", "planned_accounts"}
# Who counts or lists all that are due to be moved: where that costs less, and as long as they fit into the memory of a
# statement, whose registration is invalid is read off the index once, instead of asked for each.
HASHED = "reads once whose registration is invalid, where many are due"
COUNTING = ("control.freeze", "gates._policy_change", "gates.judge", "plan.plan", "standing.lateness")
# Who may look at more, at which table and how where it is one table and one way, and why.
BY_THEIR_NATURE = {
    "a test": "prepares what is asked for",
    "tasks.figures.read_figures sweeps": "counts the sweeps that have ended: a few a day",
    "tasks.figures.read_figures days_of_actions": "adds up a line for each day and policy",
    "tasks.files.files_left doomed_files": "counts what is left of files; a file that is erased has no row",
    "tasks.files.list_files doomed_files": "a person looks for the few refused or settled among them",
    "tasks.files.retry doomed_files": "a person lets all that are left be tried again",
    "tasks.findings.Findings.judge": "walks stretches of fixed size through tables, to find rows that refer to nothing",
    "tasks.gates._allowances accounts": "counts accounts until their share allows twice what is due",
    "tasks.gates._expected forecasts": "stops at the first that was made on an earlier day",
    "tasks.gates._expected sweeps": "looks for the last one that was done, among a few a day",
    "tasks.holds.list_holds holds: Index Scan": "goes back from the newest until there are enough",
    "worker.answers.lists._read holds: Index Scan": "the same, for the page",
    "tasks.measure._ceiling accounts": "counts until the share is above the absolute ceiling, to warn by",
    "tasks.measure.forecast": "once a day counts who falls due on each of 90 days",
    **dict.fromkeys((f"tasks.{by} job_seekings: Index Only Scan" for by in COUNTING), HASHED),
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A deployment on such a database: its tasks by hand; as command line and web see it; and an empty directory."""

    hand: ByHand
    here: Deployment
    directory: Path


def fill(engine: Engine, policies: Policies) -> None:
    """Fill a migrated, empty database."""
    seed(engine, Population(ACCOUNTS, 1, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    values = {each.name.value: each.fingerprint for each in policies} | {"due": DUE, "sweeps": SWEEPS}
    with damaging(engine) as connection:
        connection.execute(text(SWEPT), values)
        a_long_log(connection, range(2, 2 * RECEIPTS + 1, 2), actions=ACTIONS_EACH, account_id=GONE)
        for statement in (FEW_DUE + ";" + HISTORY).split(";"):
            connection.execute(text(statement), values)


def read_without_need(
    plans: Plans, large: set[str], *, rows: int, may: Mapping[str, str] = MappingProxyType({})
) -> set[str]:
    """Say who read a large table from end to end, or looked at more than so many rows of one.

    Args:
        plans: what was asked.
        large: the large tables, and partitions.
        rows: most that may be looked at.
        may: who else may look at more this time, and why.
    """
    lawful = BY_THEIR_NATURE.keys() | may.keys()
    found = set()
    for scan in plans.scans:
        asked = f"{scan.asked_by} {re.sub(r'_[0-9]+$', '', scan.table)}"
        is_much = scan.table in large and (scan.how == "Seq Scan" or scan.rows > rows)
        if is_much and not {scan.asked_by, asked, f"{asked}: {scan.how}"} & lawful:
            found.add(f"{asked}: {scan.how}, {scan.rows:,.0f} rows")
    return found
