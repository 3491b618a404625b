"""Workers and beats are replaced one after the other, again and again, while they sweep: nobody notices.

TEST_ROLLING asks for so many accounts; `make large` for 200,000.
"""

import os
import time
from itertools import count, cycle

from oracle import count_fates, findings, remember
from sqlalchemy import text

ACCOUNTS = int(os.environ.get("TEST_ROLLING", "4000"))
# As many batches in the long form as keep it at work through some twenty restarts.
BATCH_ACCOUNTS = max(2, ACCOUNTS // 8000)
EVERYTHING = {
    "RETENTION_BATCH_ACCOUNTS": str(BATCH_ACCOUNTS),
    "RETENTION_CEILING_ACCOUNTS": str(ACCOUNTS),
    "RETENTION_CEILING_SHARE": "1",
    "RETENTION_CEILING_FORECAST": "1e6",
}
# Of ten accounts five are to be purged, four to be closed, and one is to be kept.
THIN = """
WITH made AS (
    INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at)
    SELECT 'online', CASE WHEN n % 10 < 4 THEN 'withdrawn' ELSE 'active' END, n || '@example.jp', 'x',
           CASE WHEN n % 10 < 4 THEN now() - interval '40 days' - n * interval '1 second' END
      FROM generate_series(1, :accounts) AS n RETURNING id, state, email
)
INSERT INTO job_seekings (account_id, status, invalidated_at)
SELECT id, CASE WHEN due THEN 'invalid' ELSE 'valid' END, CASE WHEN due THEN now() - interval '6 years' END
  FROM made, LATERAL (SELECT split_part(email, '@', 1)::int % 10 > 4 AS due) AS of_ten
"""
# The database takes its time over each batch while the table has a row, so that everybody is replaced in mid-sweep.
SLOW = """
CREATE TABLE slow AS SELECT 0.5 AS seconds;
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(seconds) FROM slow; RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON receipts FOR EACH ROW EXECUTE FUNCTION be_slow();
"""


def test_a_rolling_restart_in_mid_sweep_changes_nothing_doubles_nothing_and_logs_no_error(stack, engine, capsys):
    stack.environment |= EVERYTHING
    with engine.begin() as connection:
        connection.execute(text(THIN), {"accounts": ACCOUNTS})
        connection.exec_driver_sql("ANALYZE accounts, job_seekings")
        connection.exec_driver_sql(SLOW)
    remember(engine)
    numbers = count(1)
    begin = {"worker": stack.worker, "beat": stack.beat}
    running = [(kind, begin[kind](f"{kind}{next(numbers)}")) for kind in ("worker", "worker", "beat", "beat")]
    stack.retention("run", "all", "--actor", "test", "--reason", "test", check=True)
    began, seats = time.monotonic(), cycle(range(len(running)))
    restarts = 0
    while not _all_done(stack):
        if restarts == 2 * len(running):
            _hurry(engine)
        seat = next(seats)
        kind, old = running[seat]
        old.terminate()
        assert old.wait(60) == 0
        running[seat] = kind, begin[kind](f"{kind}{next(numbers)}")
        restarts += 1
        assert time.monotonic() - began < 3600, "it comes to its end"
    seconds = time.monotonic() - began
    assert restarts >= 2 * len(running), "each was replaced at least twice"
    as_of = max(each["as_of"] for each in stack.retention("sweeps", "--json", check=True).json["sweeps"])
    assert findings(engine, as_of) == {}
    logs = {name: stack.log(name) for name in sorted(path.stem for path in stack.directory.glob("*.log"))}
    worse = [each for lines in logs.values() for each in lines if each["level"] in ("error", "critical")]
    assert worse == []
    told = [each["event"] for lines in logs.values() for each in lines if each["level"] == "warning"]
    with capsys.disabled():
        others = sorted({event for event in told if "superuser" not in event})
        print(f"\n{count_fates(engine)} as the rules say, in {seconds:,.1f} s with {restarts} restarts;")
        print(f"{sum(map(len, logs.values())):,} lines, none an error; warnings: {others}")


def _hurry(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM slow")


def _all_done(stack):
    return all(each["status"] == "done" for each in stack.retention("sweeps", "--json", check=True).json["sweeps"])
