"""Whoever reads the log is shown what is asked for from all years, and little else is read."""

from datetime import UTC, datetime

import pytest
from planning import explaining, large_tables
from sqlalchemy import text
from sweeping import damaging

from tasks.statements.log import select_actions

YEAR = datetime.now(UTC).year
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
