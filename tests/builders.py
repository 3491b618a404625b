"""Plain functions that write what a test is about, by the columns an application or an import would use."""

from datetime import datetime
from itertools import count

from sqlalchemy import Connection, text

from tasks.rules.cutoff import Cutoff

__all__ = ["OWNED", "a_hold", "a_sweep", "an_account", "dependents", "everything_owned"]

numbers = count(1)


def an_account(
    connection: Connection,
    *,
    state: str = "active",
    withdrawn_at: datetime | None = None,
    counter_only_at: datetime | None = None,
    status: str | None = "valid",
    invalidated_at: datetime | None = None,
) -> int:
    """Insert an account, with its job seeking unless `status` is None; returns its number."""
    credentials = None if state == "counter_only" else f"seeker{next(numbers)}@example.co.jp"
    account_id = connection.execute(
        text(
            "INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at, counter_only_at)"
            " VALUES ('online', :state, :email, :email, :withdrawn_at, :counter_only_at) RETURNING id"
        ),
        {"state": state, "email": credentials, "withdrawn_at": withdrawn_at, "counter_only_at": counter_only_at},
    ).scalar_one()
    if status:
        connection.execute(
            text("INSERT INTO job_seekings (account_id, status, invalidated_at) VALUES (:id, :status, :at)"),
            {"id": account_id, "status": status, "at": invalidated_at},
        )
    return account_id


def a_hold(connection: Connection, account_id: int, *, released_at: datetime | None = None) -> int:
    """Place a hold; returns its number."""
    return connection.execute(
        text(
            "INSERT INTO holds (account_id, reason, placed_by, released_at)"
            " VALUES (:id, 'complaint', 'legal', :released_at) RETURNING id"
        ),
        {"id": account_id, "released_at": released_at},
    ).scalar_one()


def a_sweep(connection: Connection, cutoff: Cutoff, as_of: datetime) -> int:
    """Insert a sweep that is running; returns its number."""
    return connection.execute(
        text(
            "INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, started_at)"
            " VALUES (:policy, :as_of, :cutoff, 'test', 'test', 'running', now()) RETURNING id"
        ),
        {"policy": cutoff.policy, "as_of": as_of, "cutoff": cutoff.at},
    ).scalar_one()


def dependents(connection: Connection, account_id: int) -> None:
    """Give an account two rows in each table that is an account's."""
    # Where tables are partitioned by the account, an attachment has to name it.
    partitioned = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'message_attachments'::regclass"
    more = ("account_id, ", ":id, ") if connection.scalar(text(partitioned)) else ("", "")
    inserts = [
        "INSERT INTO applications (account_id, kind, status) VALUES (:id, 'self', 'pending')",
        f"""
        WITH sent AS (INSERT INTO messages (account_id) VALUES (:id) RETURNING id)
        INSERT INTO message_attachments ({more[0]}message_id) SELECT {more[1]}id FROM sent
        """,
        "INSERT INTO documents (account_id, storage_key) VALUES (:id, 'documents/1.pdf')",
        """
        INSERT INTO transitions (account_id, kind, actor, at, to_state)
        VALUES (:id, 'register', 'owner', now(), 'active')
        """,
        """
        INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at)
        SELECT :id, (ARRAY['purge', 'counter_only'])[1 + count(*)], 1, 'SQLSTATE 23503', now(), now()
          FROM quarantine WHERE account_id = :id
        """,
    ]
    inserts += [
        f"INSERT INTO {table} (account_id) VALUES (:id)" for table in ("saved_searches", "saved_jobs", "login_sessions")
    ]
    for insert in inserts * 2:
        connection.execute(text(insert), {"id": account_id})


# Every table that is an account's, named here once more by hand, so that a slip in deriving them is seen.
OWNED = (
    "accounts",
    "applications",
    "documents",
    "holds",
    "job_seekings",
    "login_sessions",
    "message_attachments",
    "messages",
    "quarantine",
    "saved_jobs",
    "saved_searches",
    "transitions",
)


def everything_owned(connection: Connection) -> dict[str, int]:
    """Count the rows of every table that is an account's."""
    return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in OWNED}
