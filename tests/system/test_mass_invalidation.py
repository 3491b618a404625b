"""By mistake, an import invalidates thousands of accounts as of 2001: nothing is touched, and the way back is short.

TEST_MISTAKES asks for so many accounts; `make large` for 200,000.
"""

import json
import os

from oracle import findings, remember
from processes import until
from sqlalchemy import text

MISTAKES = int(os.environ.get("TEST_MISTAKES", "3000"))
MISTAKE = """
WITH chosen AS (
    SELECT account_id, status, invalidated_at FROM job_seekings j JOIN accounts a ON a.id = account_id
     WHERE a.state = 'active' AND (status = 'valid' OR invalidated_at > now() - interval '4 years')
       AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id)
     ORDER BY account_id LIMIT :accounts
), kept AS (INSERT INTO before_the_mistake SELECT * FROM chosen)
UPDATE job_seekings j
   SET status = 'invalid', invalidated_at = timestamptz '2001-01-01 00:00+09' + chosen.account_id * interval '1 minute'
  FROM chosen WHERE j.account_id = chosen.account_id
"""
REPAIR = """
UPDATE job_seekings j SET status = b.status, invalidated_at = b.invalidated_at
  FROM before_the_mistake b WHERE b.account_id = j.account_id
"""
SAYS = ("--actor", "sato", "--reason", "these dates are a mistake", "--json")


def change(engine, statement, **values):
    with engine.begin() as connection:
        return connection.execute(text(statement), values).rowcount


def contents(engine):
    """One digest of all accounts and job seekings, and how many rows there are besides."""
    with engine.connect() as connection:
        return [
            connection.scalar(text(f"SELECT sum(hashtextextended(t::text, 0)) FROM {table} AS t"))
            for table in ("accounts", "job_seekings")
        ] + [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("messages", "actions", "receipts")]


def test_a_mass_invalidation_by_mistake_is_held_told_rejected_repaired_and_the_work_goes_on(stack, engine):
    stack.retention("seed", "--accounts", str(MISTAKES * 2), check=True, patience=7200)
    change(engine, "CREATE TABLE before_the_mistake (account_id bigint, status text, invalidated_at timestamptz)")
    remember(engine)
    assert change(engine, MISTAKE, accounts=MISTAKES) == MISTAKES
    wrong = contents(engine)

    stack.worker()
    call = ("celery", "-A", "worker", "call", "retention.dispatch")
    assert stack.start(*call, log="call").wait() == 0
    status = until(lambda: held(stack), "the tick's purge is held", 600)
    (sweep,) = (each for each in status["sweeps"] if each["policy"] == "purge")
    assert [stop["gate"] for stop in sweep["held_for"]] == ["ceiling"] * len(sweep["held_for"])
    share = next(stop for stop in sweep["held_for"] if stop["numbers"]["ceiling"] == "share")
    assert share["numbers"]["accounts"] > share["numbers"]["allowed"] == MISTAKES * 2 // 20
    assert sweep["planned"] >= MISTAKES
    people = stack.retention("status", check=True).out
    assert f"Sweep {sweep['id']} (purge) is held since" in people
    assert share["detail"] in people
    (told,) = [line for line in log_lines(stack) if line["event"] == "sweep.held"]
    assert (told["sweep"], told["policy"], told["level"]) == (sweep["id"], "purge", "error")
    assert share["detail"] in told["details"]
    assert "@" not in json.dumps(told)
    until(lambda: not running(stack), "the other policy has done its work")
    purged = "SELECT count(*) FROM actions WHERE action = 'purge'"
    with engine.connect() as connection:
        assert connection.scalar(text(purged)) == 0
    assert contents(engine)[1:3] == wrong[1:3], "no job seeking and no message was touched"

    refused = stack.retention(
        "run", "purge", "--wait", "--actor", "sato", "--reason", "does it work by hand?", "--json"
    )
    assert refused.code == 3
    (by_hand,) = refused.json["sweeps"]
    assert by_hand["status"] == "held"
    own = stack.retention("approve", str(by_hand["id"]), "--actor", "Sato", "--reason", "I am sure")
    assert (own.code, own.out) == (3, "")
    assert "somebody else has to approve it" in own.err
    for number in (sweep["id"], by_hand["id"]):
        rejected = stack.retention("reject", str(number), *SAYS, check=True)
        assert (rejected.json["status"], rejected.json["accounts"], rejected.err) == ("rejected", 0, "")
    assert stack.retention("status", "--json", check=True).json["sweeps"] == []

    assert change(engine, REPAIR) == MISTAKES
    (done,) = stack.run("purge")
    assert done["status"] == "done"
    assert findings(engine, done["as_of"]) == {}
    with engine.connect() as connection:
        assert connection.scalar(text(purged)) == done["accounts"] > 0


def held(stack):
    status = stack.retention("status", "--json", check=True).json
    return any(each["planned"] is not None for each in status["sweeps"]) and status


def running(stack):
    return [
        each for each in stack.retention("sweeps", "--json", check=True).json["sweeps"] if each["status"] == "running"
    ]


def log_lines(stack):
    lines = (stack.directory / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
