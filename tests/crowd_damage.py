"""For each promise a statement that breaks it, so that it is seen to be noticed."""

from sqlalchemy import Connection, text

__all__ = ["DAMAGE", "damage"]

SURVIVOR = "(SELECT min(id) FROM accounts)"
# Whose whole history is one line.
UNTOUCHED = "(SELECT min(account_id) FROM (SELECT account_id FROM transitions GROUP BY 1 HAVING count(*) = 1) AS t)"
CLOSED = "(SELECT min(id) FROM accounts WHERE state = 'counter_only')"
# From the first to the last day of those who were there at the beginning: ten years before anybody did anything.
INVALID_FOR_EVER = """
    INSERT INTO transitions (account_id, kind, actor, at, from_state, to_state)
    SELECT account_id, 'invalidate', 'owner', at + interval '1 day', 'valid', 'invalid' FROM transitions AS t
     WHERE kind = 'register' AND at < '2020-01-01'
       AND {} AND NOT EXISTS (SELECT FROM transitions s WHERE s.account_id = t.account_id AND s.kind ~ 'validate')"""
# Of whom everything is in order; nobody else may be left who will ever be due.
SOMEBODY_INVALID = """
    WITH made AS (
        INSERT INTO accounts (registration, state, email, password_hash)
        VALUES ('online', 'active', 'left@example.jp', 'x') RETURNING id
    ), status AS (
        INSERT INTO job_seekings (account_id, status, invalidated_at)
        SELECT id, 'invalid', clock.now() - interval '1 year' FROM made
    ), history AS (
        INSERT INTO transitions (account_id, kind, actor, at, from_state, to_state)
        SELECT id, 'register', 'owner', clock.now() - interval '2 years', NULL, 'active' FROM made
        UNION ALL SELECT id, 'invalidate', 'office', clock.now() - interval '1 year', 'valid', 'invalid' FROM made
        RETURNING kind, account_id
    ) INSERT INTO crowd.done SELECT kind, account_id FROM history;
"""

DAMAGE = {
    "an account's state and dates contradict each other": f"UPDATE accounts SET password_hash = NULL, email = NULL,"
    f" state = 'active', withdrawn_at = NULL, counter_only_at = NULL WHERE id = {SURVIVOR}",
    "a date lies in the future": "UPDATE clock.hands SET at = at - interval '12 years'",
    "an account has no job seeking, or it has a date it must not have": (
        f"DELETE FROM job_seekings WHERE account_id = {SURVIVOR}"
    ),
    "a change of state is not allowed after the one before": (
        "UPDATE transitions SET at = at + interval '31 days' WHERE id = (SELECT min(id) FROM transitions"
        " WHERE kind = 'reactivate')"
    ),
    "the history does not explain an account's state": (
        f"UPDATE accounts SET withdrawn_at = withdrawn_at + interval '1 second' WHERE id = {CLOSED}"
    ),
    "a version does not count the changes": f"UPDATE accounts SET version = version + 1 WHERE id = {SURVIVOR}",
    "a change of status is not allowed after the one before": """
        INSERT INTO transitions (account_id, kind, actor, at, from_state, to_state)
        SELECT account_id, kind, actor, at, from_state, to_state FROM transitions WHERE kind = 'invalidate' LIMIT 1""",
    "the history does not explain a status": """
        UPDATE job_seekings SET invalidated_at = invalidated_at + interval '1 second'
         WHERE account_id = (SELECT min(account_id) FROM job_seekings WHERE status = 'invalid')""",
    "an account was reopened though its years were over": INVALID_FOR_EVER.format(
        "account_id IN (SELECT account_id FROM transitions WHERE kind IN ('reactivate', 'recover'))"
    ),
    "a window was closed though the purge was due": INVALID_FOR_EVER.format(
        "account_id IN (SELECT account_id FROM actions WHERE action = 'counter_only')"
    ),
    "somebody withdrew with an application pending": (
        "UPDATE applications SET status = 'pending' WHERE account_id IN"
        " (SELECT account_id FROM transitions WHERE kind = 'withdraw')"
    ),
    "an office has seen somebody who is no office registrant, or the other way round": (
        f"UPDATE accounts SET registration = 'hellowork' WHERE id = {UNTOUCHED}"
    ),
    "two accounts have one address": """
        DROP INDEX uq_accounts_address;
        UPDATE accounts SET email = (SELECT replace(upper(email), '@', U&'\\FF20') FROM accounts
                                      WHERE state = 'active' ORDER BY id LIMIT 1)
         WHERE id = (SELECT max(id) FROM accounts WHERE state = 'active')""",
    "what people did is not what the history tells": f"DELETE FROM transitions WHERE account_id = {UNTOUCHED}",
    "what people did is not what the holds tell": "UPDATE holds SET released_at = NULL WHERE released_at IS NOT NULL",
    "a login is lost, of an account that was never left": """
        DELETE FROM login_sessions WHERE id = (SELECT min(s.id) FROM login_sessions s
            JOIN accounts a ON a.id = s.account_id WHERE a.version = 1)""",
    "a login has outlived a withdrawal, or nobody could have made it": (
        f"INSERT INTO login_sessions (account_id) VALUES ({CLOSED})"
    ),
    "an account is gone without a purge, or purged and there, or purged twice": """
        INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
        SELECT action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest FROM actions
         WHERE action = 'purge' LIMIT 1""",
    "a purged account has a row left": (
        "INSERT INTO accounts (id, registration)"
        " SELECT account_id, 'online' FROM actions WHERE action = 'purge' LIMIT 1"
    ),
    "an account was purged that was not five full years invalid": (
        "UPDATE actions SET event_at = event_at + interval '1 day', due_at = due_at + interval '1 day',"
        " acted_at = greatest(acted_at, due_at + interval '1 day') WHERE action = 'purge'"
    ),
    "a window was closed before day 31": (
        "UPDATE actions SET due_at = due_at - interval '1 day' WHERE action = 'counter_only'"
    ),
    "an account was touched while it had a hold": """
        INSERT INTO holds (account_id, reason, placed_by, placed_at)
        SELECT account_id, 'complaint', 'legal', acted_at - interval '1 day' FROM actions JOIN accounts a
            ON a.id = account_id LIMIT 1""",
    "something due is left": SOMEBODY_INVALID + "UPDATE clock.hands SET at = at + interval '10 years'",
    "a receipt and its actions differ": "DELETE FROM actions WHERE id = (SELECT min(id) FROM actions)",
    "receipts do not count the rows that went": """
        UPDATE receipts SET rows = jsonb_set(rows, '{transitions}', '0') WHERE action = 'purge'""",
    "a sweep has met an error, or has not ended": "UPDATE sweeps SET failure = 'RuntimeError'",
}


def damage(connection: Connection, statements: str) -> None:
    """Run statements on the test's own connection, which no trigger of the schema stands against."""
    for table in ("actions", "receipts", "holds", "transitions", "job_seekings", "accounts"):
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for statement in statements.split(";\n"):
        last = connection.execute(text(statement))
    assert last.rowcount > 0, f"there was nothing to damage: {statements}"
