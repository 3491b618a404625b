"""The main job on a whole population, judged by SQL that knows only the rules. `make large` runs it at a million."""

import os
import time

from oracle import count_fates, findings, remember

ACCOUNTS = os.environ.get("TEST_ACCOUNTS", "3000")


def test_after_both_sweeps_everything_due_is_done_and_nothing_else_is(stack, engine, capsys):
    seeded = stack.retention("seed", "--accounts", ACCOUNTS, "--json", check=True, patience=7200).json
    remember(engine)
    workers = [stack.worker(f"worker{number}", concurrency=2) for number in range(2)]
    began = time.monotonic()
    sweeps = stack.run("all")
    seconds = time.monotonic() - began
    assert {sweep["status"] for sweep in sweeps} == {"done"}
    assert findings(engine, sweeps[0]["as_of"]) == {}
    fates = count_fates(engine)
    acted = {sweep["policy"]: sweep["accounts"] for sweep in sweeps}
    assert acted | {"kept": fates["kept"]} == fates
    assert all(fates[name] for name in ("purge", "counter_only", "kept"))
    assert all(worker.poll() is None for worker in workers)
    with capsys.disabled():
        rate = int(ACCOUNTS) / seeded["seconds"]
        print(f"\n{ACCOUNTS} accounts with {seeded['rows']:,} rows, seeded at {rate:,.0f} accounts/s")
        print(f"{fates} as the rules say, done in {seconds:,.1f} s; nothing due is left, nothing else was touched")


def test_the_oracle_sees_a_day_too_early_a_day_too_late_and_a_row_left_behind(stack, engine):
    """The check itself must be able to fail."""
    stack.retention("seed", "--accounts", "500", check=True)
    remember(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE accounts SET version = 2 WHERE state = 'active'")
        connection.exec_driver_sql("DELETE FROM login_sessions WHERE id = (SELECT min(id) FROM login_sessions)")
    broken = findings(engine, stack.retention("status", "--json").json["at"])
    assert broken.keys() == {
        "a purged account's row is left",
        "a kept account's row has changed",
        "a closed account is not counter-only, or keeps credentials",
        "rows are left, or missing, that belong to an account",
        "an account has not exactly the one action it must",
        "a purged file's key is forgotten, or another's is kept",
        "receipts do not count the rows that went",
    }
