"""Sweeps run in the test's own process, and the damage that reconciliation has to find after them."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import builders
from builders import an_account, dependents
from sqlalchemy import text

from models import PolicyName
from tasks.batch import run_batch
from tasks.reconcile import reconcile, verify_batch
from tasks.rules.cutoff import Cutoff
from tasks.transaction import transaction

NOW = datetime.now(UTC)
LONG_WITHDRAWN, LONG_INVALID = NOW - timedelta(days=50), NOW - timedelta(days=3000)
PURGE, COUNTER_ONLY = PolicyName.PURGE, PolicyName.COUNTER_ONLY


def a_sweep(engine, policies, name, *, as_of=NOW):
    cutoff = Cutoff.of(policies, name, as_of)
    with engine.begin() as connection:
        return builders.a_sweep(connection, cutoff, as_of), cutoff


def run_sweep(engine, policies, name, *, as_of=NOW, limit=100):
    """Run a sweep to its end by the worker's own batches; returns its number."""
    sweep_id, cutoff = a_sweep(engine, policies, name, as_of=as_of)
    while run_batch(engine, policies[name], cutoff, sweep_id=sweep_id, lane=0, limit=limit).claimed:
        pass
    return sweep_id


@contextmanager
def damaging(engine):
    """A connection to which neither foreign keys nor the log's triggers apply."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection


def damage(engine, statement, **values):
    with damaging(engine) as connection:
        return connection.execute(text(statement), values)


def purgeable(connection, invalidated_at=LONG_INVALID):
    return an_account(connection, status="invalid", invalidated_at=invalidated_at)


def closable(connection):
    return an_account(connection, state="withdrawn", withdrawn_at=LONG_WITHDRAWN)


def sweep_both(engine, policies):
    """Sweep by each policy three accounts in two batches; returns (sweep, accounts) by policy."""
    with engine.begin() as connection:
        accounts = {
            PURGE: [purgeable(connection) for _ in range(3)],
            COUNTER_ONLY: [closable(connection) for _ in range(3)],
        }
        for owned in accounts.values():
            for account_id in owned:
                dependents(connection, account_id)
        dependents(connection, an_account(connection))
    return {name: (run_sweep(engine, policies, name, limit=2), accounts[name]) for name in PolicyName}


# Whatever columns there are; the number is the table's next.
PLANT = """
INSERT INTO actions
SELECT planted.* FROM (SELECT * FROM actions WHERE sweep_id = :of ORDER BY id LIMIT 1) AS first,
       jsonb_populate_record(first::actions, CAST(:values AS jsonb)) AS planted
"""
COUNT = """
UPDATE receipts SET accounts = n
  FROM (SELECT receipt_id, count(*) AS n FROM actions GROUP BY receipt_id) AS a WHERE id = a.receipt_id
"""


def plant(engine, of, **values):
    """Write a copy of a sweep's first action with other values, by default account 4711's; returns its receipt.

    Receipts are made to count it.
    """
    with damaging(engine) as connection:
        number = connection.scalar(text("SELECT nextval(pg_get_serial_sequence('actions', 'id'))"))
        planted = json.dumps({"id": number, "account_id": 4711} | values, default=datetime.isoformat)
        connection.execute(text(PLANT), {"values": planted, "of": of})
        connection.execute(text(COUNT))
        return first_receipt(connection, of)


def first_receipt(connection, sweep_id):
    return connection.scalar(text("SELECT min(id) FROM receipts WHERE sweep_id = :id"), {"id": sweep_id})


def findings_about(engine, policies, sweep_id, receipt_id):
    """What is found about a sweep; of its batch the same must be found.

    But for the accounts of planted actions, which are nowhere: of moved accounts only a batch looks for that.
    """
    found = reconcile(engine, policies, sweep_id, drained=True).findings
    with transaction(engine) as connection:
        of_batch = verify_batch(connection, policies, receipt_id)
    assert [finding for finding in of_batch if "not in counter-only recovery" not in finding] == [
        finding.replace(f"sweep {sweep_id}:", f"receipt {receipt_id}:") for finding in found
    ]
    return {finding.removeprefix(f"sweep {sweep_id}: ") for finding in found}
