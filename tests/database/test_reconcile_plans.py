"""Reconciliation runs after every sweep: it must not read large tables as a whole."""

import os
import re
from zoneinfo import ZoneInfo

import pytest
from builders import OWNED
from sqlalchemy import event, text
from sweeping import COUNTER_ONLY, LONG_INVALID, LONG_WITHDRAWN, NOW, PURGE, a_sweep, damaging, first_receipt, run_sweep

from models import PolicyName
from tasks.reconcile import find_remains, looking_for_remains, reconcile
from tasks.transaction import transaction
from worker.seed import Population, seed


def plans(engine, run):
    """Run what executes statements, and return PostgreSQL's plan of each, as it was asked."""
    asked = []

    def remember(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    run()
    event.remove(engine, "before_cursor_execute", remember)
    with engine.connect() as connection:
        return [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            for statement, parameters in asked
            if "set_config" not in statement
        ]


# Other sweeps' lines, so that this one's are few among many, as in production.
FILL = """
INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
SELECT -n, :sweep, 'purge', 20, '{}', now(), '', '', sha256(int8send(n)) FROM generate_series(1, 2000) AS n;
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
SELECT 'purge', -n, :event, now(), now(), :sweep, 1 + n % 2000, '' FROM generate_series(1, 40000) AS n;
ANALYZE receipts, actions, accounts, job_seekings, login_sessions, holds, transitions
"""


# Of which a partition, where there are any, is as large as a whole table.
ACCOUNTS = 5000 * int(os.environ.get("TEST_PARTITIONS", "1"))
# Nearly empty here.
SMALL = {"holds", "transitions", "quarantine"}


@pytest.mark.parametrize("analyzed", ["before the sweep", "after it"])
@pytest.mark.parametrize("name", list(PolicyName))
def test_no_large_table_is_read_as_a_whole(engine, policies, name, analyzed):
    seed(engine, Population(ACCOUNTS, 1, NOW, ZoneInfo("Asia/Tokyo")), append=False, progress=lambda _: None)
    earlier, _ = a_sweep(engine, policies, PURGE)
    fill_receipts, fill_actions, analyze = map(text, FILL.split(";"))
    with damaging(engine) as connection:
        connection.execute(fill_receipts, {"sweep": earlier})
        connection.execute(fill_actions, {"sweep": earlier, "event": LONG_INVALID})
        connection.execute(analyze)
    sweep_id = run_sweep(engine, policies, name, limit=20)
    with engine.begin() as connection:
        if analyzed == "after it":
            connection.execute(analyze)
    found = plans(engine, lambda: reconcile(engine, policies, sweep_id, drained=True).findings)
    whole = {re.sub(r"_\d$", "", table) for plan in found for table in re.findall(r"Seq Scan on (\w+)", plan)}
    assert whole & {*OWNED, "actions"} <= SMALL
    bound = {
        PURGE: "ix_job_seekings_invalidated_at_account_id|job_seekings_0_invalidated_at_account_id_idx",
        COUNTER_ONLY: "ix_accounts_withdrawn_at_id|accounts_0_withdrawn_at_id_idx",
    }[name]
    [left] = [plan for plan in found if re.search(bound, plan)]
    assert re.search(r"Index Cond: \((invalidated_at <=|withdrawn_at <) '", left)


WITHDRAWN = """
INSERT INTO accounts (registration, state, withdrawn_at)
SELECT 'online', 'withdrawn', :since FROM generate_series(1, :n)
"""


def test_the_moved_are_looked_up_by_number_though_statistics_know_of_no_move(engine, policies):
    with engine.begin() as connection:
        connection.execute(text(WITHDRAWN), {"since": LONG_WITHDRAWN, "n": ACCOUNTS})
        connection.execute(text("ANALYZE accounts"))
    sweep_id = run_sweep(engine, policies, COUNTER_ONLY, limit=1000)

    def look():
        with transaction(engine) as connection:
            looking = looking_for_remains(connection, COUNTER_ONLY)
            assert find_remains(connection, looking, first_receipt(connection, sweep_id)) == []

    look()  # what the catalog says is asked for once
    plan = next(plan for plan in plans(engine, look) if "actions" in plan and "accounts" in plan)
    assert re.search(r"pk_accounts|accounts_\d_pkey", plan)
    assert not re.search(r"counter_only_latest|greatest", plan)
    # Nor compared each with each, as by a join where a batch in partitions leaves nested loops alone.
    assert "Anti Join" not in plan
