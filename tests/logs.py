"""A small log made by real batches, and a way to change what must not change."""

from datetime import UTC, datetime, timedelta

from builders import a_sweep, an_account, dependents
from sqlalchemy import Connection, Engine, text

from models import Policies, PolicyName
from tasks.batch import run_batch
from tasks.rules.cutoff import Cutoff

__all__ = ["a_log", "unguarded"]

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=3000, microseconds=1)
DUE = {
    PolicyName.COUNTER_ONLY: {"state": "withdrawn", "withdrawn_at": LONG_AGO},
    PolicyName.PURGE: {"status": "invalid", "invalidated_at": LONG_AGO},
}


def a_log(
    engine: Engine, policies: Policies, accounts: int, *, policy: PolicyName = PolicyName.COUNTER_ONLY, limit: int = 3
) -> None:
    """Act on so many new accounts, in batches of up to `limit`: the log grows by as many actions."""
    cutoff = Cutoff.of(policies, policy, NOW)
    with engine.begin() as connection:
        for _ in range(accounts):
            dependents(connection, an_account(connection, **DUE[policy]))
        sweep_id = a_sweep(connection, cutoff, NOW)
    while run_batch(engine, policies[policy], cutoff, sweep_id=sweep_id, lane=0, limit=limit).claimed:
        pass


def unguarded(connection: Connection, *statements: str) -> None:
    """Run statements in this transaction as somebody with every right would: no trigger fires."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))
