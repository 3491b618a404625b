"""What people look at costs the database little, however much it holds: no answer reads a large table as a whole."""

import re

import pytest
from sqlalchemy import text

from worker.web.page.shell import STATIC

ROWS = 20_000
MOST_READ = ROWS // 10
# Sweep 3 is old and large: a twentieth of the log, and its beginning.
FILL = f"""
INSERT INTO accounts (id, registration, state, withdrawn_at)
SELECT n, 'online', CASE WHEN n % 9 = 0 THEN 'withdrawn' ELSE 'active' END,
       CASE WHEN n % 9 = 0 THEN now() END FROM generate_series(1, {ROWS}) AS n;
INSERT INTO job_seekings (account_id, status, invalidated_at)
SELECT n, CASE WHEN n % 3 = 0 THEN 'invalid' ELSE 'valid' END,
       CASE WHEN n % 3 = 0 THEN now() END FROM generate_series(1, {ROWS}) AS n;
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, started_at, ended_at)
SELECT 'purge', now(), now(), 'mori', 'r', 'done', now(), now() FROM generate_series(1, 200);
INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
SELECT n, CASE WHEN n <= 50 THEN 3 ELSE 4 + n / 20 END, 'purge', 20, '{{}}', now(), '', '', sha256(int8send(n))
  FROM generate_series(1, 1000) AS n;
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
SELECT 'purge', {ROWS} + n, now(), now(), now(), 3, 1 + (n - 1) / 20, '' FROM generate_series(1, {ROWS}) AS n;
ANALYZE
"""
# Index-only scans are counted with the index alone; a part of the log, as what it is a part of.
READ = """
SELECT regexp_replace(t.relname, '_[0-9]{4}$', ''), t.seq_tup_read + coalesce(sum(i.idx_tup_read), 0)
  FROM pg_stat_user_tables AS t JOIN pg_stat_user_indexes AS i USING (relid)
 WHERE t.n_live_tup >= :rows GROUP BY t.relname, t.seq_tup_read
"""
LISTS = ("decisions", "holds", "quarantine", "log/actions")
ASKED_BY_THE_PAGE = ("status", "sweeps", "log/head", "days", "forecast", *LISTS)
ASKED_BY_PEOPLE = (
    "accounts/4711",
    f"accounts/{ROWS + 7}",
    "log/actions?account=4711",
    "log/actions?sweep=3",
    "log/actions?before=500",
    "policies/purge/plan",
    "sweeps/3",
    "sweeps?unended=true",
)
CHARTS = tuple(f"/charts/{kind}/{policy}.svg" for kind in ("done", "ahead") for policy in ("purge", "counter_only"))
ASKED = {
    "by the page": [*(f"/api/v1/{path}" for path in ASKED_BY_THE_PAGE), *CHARTS],
    "by people": [f"/api/v1/{path}" for path in ASKED_BY_PEOPLE],
    "by Prometheus": ["/metrics"],
}


def read(engine):
    with engine.begin() as connection:
        return dict(connection.execute(text(READ), {"rows": ROWS}).all())


@pytest.mark.parametrize("paths", ASKED.values(), ids=ASKED)
def test_no_answer_reads_a_large_table_as_a_whole(serve, by_hand, engine, paths):
    with engine.begin() as connection:
        for statement in FILL.split(";"):
            connection.execute(text(statement))
    by_hand().do("measure")
    engine.dispose()  # a process tells what it has read at the latest when it ends
    before = read(engine)
    server = serve()
    for path in paths:
        assert server.ask(path).status_code == 200, path
    server.stop()
    after = read(engine)
    assert {"accounts", "job_seekings", "actions"} <= set(after)
    assert {table: after[table] - before[table] for table in after if after[table] - before[table] > MOST_READ} == {}


def test_whatever_the_page_asks_for_is_tested():
    asked = {
        path
        for script in (STATIC / "js").glob("*.js")
        for path in re.findall(r"""\bask\([`"]/([a-z/]+)""", script.read_text(encoding="utf-8"))
    }
    assert asked - {"session", "accounts/"} == set(ASKED_BY_THE_PAGE)
