"""How whatever runs by itself finds its rows in a filled database: by an index, no more than it needs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from planning import explaining, large_tables
from sqlalchemy import text
from sweeping import LONG_INVALID, NOW, PURGE, a_sweep, damaging

from models import PolicyName
from models.errors import Unverified
from tasks.statements.log import select_actions
from worker.seed import Population, seed

ACCOUNTS = 20_000
YEAR = datetime.now(UTC).year
LARGE_ROWS = 1000
# Of each policy's due accounts so many stay due: few among many, as on any day of a large service.
DUE = 60
FEW_DUE = """
UPDATE job_seekings SET invalidated_at = now() - interval '2 years' WHERE account_id IN (
    SELECT account_id FROM job_seekings WHERE invalidated_at < now() - interval '5 years' ORDER BY 1 OFFSET :due);
UPDATE accounts SET withdrawn_at = now() - interval '2 days' WHERE id IN (
    SELECT id FROM accounts WHERE withdrawn_at < now() - interval '30 days' AND state = 'withdrawn'
     ORDER BY 1 OFFSET :due)
"""
# Other sweeps' lines, so that those of the sweeps here are few in the log, too.
OTHERS = """
INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
SELECT -n, :sweep, 'purge', 20, '{}', now(), '', '', sha256(int8send(n)) FROM generate_series(1, 2000) AS n;
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
SELECT 'purge', -n, :event, now(), now(), :sweep, 1 + n % 2000, '' FROM generate_series(1, 40000) AS n
"""
# An account's rows are some 45, and a batch here claims all that is due.
ROWS_OF_A_BATCH = 45 * DUE
# Who may look at more, and why.
BY_THEIR_NATURE = {
    "tasks.gates._allowances": "counts accounts until there are enough for the share not to matter",
    "tasks.measure._ceiling": "the same, for whoever is to be warned",
    "tasks.findings.Findings.judge": "walks stretches of fixed size through tables, to find rows that refer to nothing",
    "tasks.measure.forecast": "once a day counts who falls due on each of 90 days",
}


@pytest.fixture
def filled(by_hand, engine, policies):
    """A deployment with many accounts, few of them due, and a long log."""
    seed(engine, Population(ACCOUNTS, 1, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    earlier, _ = a_sweep(engine, policies, PURGE)
    with damaging(engine) as connection:
        connection.execute(text("UPDATE sweeps SET status = 'done', ended_at = now()"))
        for statement in (FEW_DUE + ";" + OTHERS).split(";"):
            connection.execute(text(statement), {"due": DUE, "sweep": earlier, "event": LONG_INVALID})
        connection.execute(text("ANALYZE"))
    return by_hand()


def no_more_than_needed(plans, engine, *, rows):
    """Fail where a large table was read from end to end, or more rows of one than expected."""
    large = large_tables(engine, LARGE_ROWS)
    assert {"accounts", "job_seekings", "messages", "transitions", f"actions_{YEAR}", f"receipts_{YEAR}"} <= large
    assert plans.scans
    assert {(table, by) for table, by in plans.whole(large) if by not in BY_THEIR_NATURE} == set()
    assert {by: most for by, most in plans.most_rows(large).items() if most > rows and by not in BY_THEIR_NATURE} == {}


@pytest.mark.parametrize("name", list(PolicyName))
def test_a_sweep_looks_at_the_rows_of_its_accounts_alone(filled, engine, name):
    sweep = filled.request(name)
    with explaining(filled.runtime.engine) as plans:
        row = filled.carry_out(sweep)
    assert (row.status, 0 < row.accounts <= DUE) == ("done", True)
    assert "tasks.batch.act" in plans.who_asked("accounts")
    no_more_than_needed(plans, engine, rows=ROWS_OF_A_BATCH)


def test_what_happens_each_minute_looks_at_what_is_due_alone(filled, engine):
    with explaining(filled.runtime.engine) as plans:
        for task in ("dispatch", "recover", "measure", "prepare_log"):
            filled.do(task)
        with pytest.raises(Unverified, match="begins with receipt 1"):  # the others' lines were written by no batch
            filled.do("verify")
    assert "tasks.standing.lateness" in plans.who_asked("accounts")
    no_more_than_needed(plans, engine, rows=ROWS_OF_A_BATCH)


# Three years of sweeps, each of two receipts of 20 actions; nobody has gathered statistics of the log as a whole.
YEARS = """
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason) SELECT 'purge', now(), now(), 'beat', 'cron'
  FROM generate_series(1, 1000);
INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
SELECT n, (n + 1) / 2, 'purge', 20, '{}', now() + interval '1 year' * (n * 3 / 2001), '', '', sha256(int8send(n))
  FROM generate_series(1, 2000) AS n;
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
SELECT 'purge', n, acted_at, acted_at, acted_at, sweep_id, id, '' FROM receipts, generate_series(1, 20) AS n ORDER BY id
"""


@pytest.mark.parametrize("which", [{"sweep_id": 3}, {"sweep_id": 999}, {"account_id": 7, "before": 20_000}, {}])
def test_whoever_reads_the_log_is_shown_what_is_asked_for_from_all_years_and_little_else_is_read(engine, which):
    with damaging(engine) as connection:
        for statement in YEARS.split(";"):
            connection.execute(text(statement))
    for table in ("actions", "receipts"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for year in (YEAR, YEAR + 1, YEAR + 2):
                connection.execute(text(f"ANALYZE {table}_{year}"))
    with explaining(engine) as plans, engine.begin() as connection:
        found = connection.execute(select_actions(**which, limit=10)).all()
    assert [each.id for each in found] == sorted((each.id for each in found), reverse=True)
    assert len(found) == 10
    large = large_tables(engine, 100)
    assert {f"actions_{YEAR + 2}", f"receipts_{YEAR}"} <= large
    assert plans.whole(large) == set()
    # Every twentieth line is of the account.
    assert max(plans.most_rows(large).values()) <= (40 * 20 if "account_id" in which else 50)
