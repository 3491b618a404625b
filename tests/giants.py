"""Giants: accounts that own more rows than any batch should hold, written by the database itself."""

from datetime import UTC, datetime, timedelta

from builders import an_account
from sqlalchemy import Connection, text

__all__ = ["EVENTS", "GIANT_TABLES", "a_giant", "rows_of"]

# The oldest of all, so that whoever takes the next ones meets it.
EVENTS = {
    "purge": {"status": "invalid", "invalidated_at": datetime.now(UTC) - timedelta(days=9000)},
    "counter_only": {"state": "withdrawn", "withdrawn_at": datetime.now(UTC) - timedelta(days=900)},
}
# What a giant has most of, by what is done to it.
GIANT_TABLES = {"purge": "messages", "counter_only": "login_sessions"}
MESSAGES = """
INSERT INTO messages (account_id, subject, body)
SELECT :id, 'subject ' || n, repeat('body ', 20) FROM generate_series(1, :rows) AS n
"""
# Every fourth message has a file.
ATTACHMENTS = """
INSERT INTO message_attachments (message_id, account_id, file_name)
SELECT id, account_id, 'cv.pdf' FROM messages WHERE account_id = :id AND id % 4 = 0
"""
SESSIONS = """
INSERT INTO login_sessions (account_id, user_agent) SELECT :id, 'Mozilla/5.0' FROM generate_series(1, :rows)
"""
FILL = {"purge": (MESSAGES, ATTACHMENTS), "counter_only": (SESSIONS,)}


def a_giant(connection: Connection, policy: str, rows: int) -> int:
    """Insert an account that is due for a policy and owns so many rows; returns its number."""
    number = an_account(connection, **EVENTS[policy])
    for statement in FILL[policy]:
        connection.execute(text(statement), {"id": number, "rows": rows})
    return number


def rows_of(connection: Connection, policy: str, number: int) -> int:
    """Count the rows that a giant has most of."""
    rows = connection.execute(
        text(f"SELECT count(*) FROM {GIANT_TABLES[policy]} WHERE account_id = :id"), {"id": number}
    )
    return rows.scalar_one()
