"""What the rules say must have happened, in SQL written from the rules alone and sharing nothing with the worker.

Holds for zones without daylight saving, as that of Japan. `remember` copies what the judgement needs before a
sweep; `findings` compares afterwards, while no file has been erased yet, and gives the number of accounts or rows
for which each promise is broken.
"""

from sqlalchemy import Engine, text

__all__ = ["count_fates", "findings", "remember"]

OWNERS = {
    "job_seekings": "SELECT account_id FROM job_seekings",
    "applications": "SELECT account_id FROM applications",
    "messages": "SELECT account_id FROM messages",
    "message_attachments": "SELECT m.account_id FROM message_attachments a JOIN messages m ON m.id = a.message_id",
    "saved_searches": "SELECT account_id FROM saved_searches",
    "saved_jobs": "SELECT account_id FROM saved_jobs",
    "documents": "SELECT account_id FROM documents",
    "login_sessions": "SELECT account_id FROM login_sessions",
    "holds": "SELECT account_id FROM holds",
    "transitions": "SELECT account_id FROM transitions",
    "quarantine": "SELECT account_id FROM quarantine",
}
ROWS = " UNION ALL ".join(
    f"SELECT '{table}' AS name, account_id, count(*) AS rows FROM ({owners}) AS o GROUP BY account_id"
    for table, owners in OWNERS.items()
)

REMEMBER = f"""
CREATE SCHEMA oracle;
CREATE TABLE oracle.accounts AS
SELECT a.id, a.state, a.withdrawn_at, a.counter_only_at, j.status, j.invalidated_at, md5(a::text) AS fingerprint,
       EXISTS (SELECT FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL) AS held
  FROM accounts a LEFT JOIN job_seekings j ON j.account_id = a.id;
CREATE TABLE oracle.rows AS {ROWS};
CREATE TABLE oracle.keys AS SELECT account_id AS id, storage_key FROM documents WHERE storage_key IS NOT NULL;
"""

# One day counts from its first instant; the day of an event only if the event is that instant.
FATES = """
CREATE TABLE oracle.fates AS
WITH days AS (
    SELECT *,
           (CAST(:as_of AS timestamptz) AT TIME ZONE :zone)::date AS today,
           (withdrawn_at AT TIME ZONE :zone)::date AS withdrawn_on,
           ceil(extract(epoch FROM invalidated_at AT TIME ZONE :zone) / 86400)::int + date '1970-01-01' AS first_day
      FROM oracle.accounts
), ends AS (
    SELECT *,
           CASE WHEN to_char(first_day, 'MMDD') = '0229' AND to_char(first_day + interval '5 years', 'MMDD') = '0228'
                THEN (first_day + interval '5 years' + interval '1 day')::date
                ELSE (first_day + interval '5 years')::date END AS purged_on
      FROM days
)
SELECT id, CASE
    WHEN held THEN 'kept'
    WHEN state = 'withdrawn' AND withdrawn_at IS NULL THEN 'kept'
    WHEN status = 'invalid' AND invalidated_at IS NULL THEN 'kept'
    WHEN greatest(withdrawn_at, counter_only_at, invalidated_at) > now() THEN 'kept'
    WHEN status = 'invalid' AND purged_on <= today THEN 'purge'
    WHEN state = 'withdrawn' AND withdrawn_on + 31 <= today THEN 'counter_only'
    ELSE 'kept' END AS fate
  FROM ends;
CREATE UNIQUE INDEX ON oracle.fates (id);
"""

PROMISES = {
    "a purged account's row is left": """
        SELECT count(*) FROM oracle.fates JOIN accounts USING (id) WHERE fate = 'purge'""",
    "an account is gone that had to stay": """
        SELECT count(*) FROM oracle.fates f
         WHERE fate <> 'purge' AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = f.id)""",
    "a kept account's row has changed": """
        SELECT count(*) FROM oracle.fates JOIN accounts a USING (id) JOIN oracle.accounts b USING (id)
         WHERE fate = 'kept' AND md5(a::text) <> b.fingerprint""",
    "a closed account is not counter-only, or keeps credentials": """
        SELECT count(*) FROM oracle.fates JOIN accounts a USING (id) WHERE fate = 'counter_only'
           AND NOT (a.state = 'counter_only' AND a.email IS NULL AND a.password_hash IS NULL
                    AND a.counter_only_at IS NOT NULL)""",
    "rows are left, or missing, that belong to an account": f"""
        WITH after AS ({ROWS}), wanted AS (
            SELECT r.name, r.account_id, r.rows FROM oracle.rows r JOIN oracle.fates f ON f.id = r.account_id
             WHERE fate = 'kept' OR (fate = 'counter_only' AND r.name <> 'login_sessions'))
        SELECT count(*) FROM wanted FULL JOIN after USING (name, account_id)
         WHERE wanted.rows IS DISTINCT FROM after.rows""",
    "attachments are left without their message": """
        SELECT count(*) FROM message_attachments a
         WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = a.message_id)""",
    "an account has not exactly the one action it must": """
        SELECT count(*) FROM oracle.fates f
          FULL JOIN (SELECT account_id, count(*) AS n, min(action) AS action FROM actions GROUP BY account_id) a
            ON a.account_id = f.id
         WHERE CASE WHEN fate = 'kept' THEN n IS NOT NULL ELSE (n = 1 AND a.action = fate) IS NOT TRUE END""",
    "an action names another event": """
        SELECT count(*) FROM actions x JOIN oracle.accounts b ON b.id = x.account_id
         WHERE x.event_at <> CASE x.action WHEN 'purge' THEN b.invalidated_at ELSE b.withdrawn_at END""",
    "an action came before its due instant": "SELECT count(*) FROM actions WHERE acted_at < due_at",
    "a receipt and its actions differ": """
        SELECT count(*) FROM receipts r
          FULL JOIN (SELECT receipt_id, count(*) AS n FROM actions GROUP BY receipt_id) a ON a.receipt_id = r.id
         WHERE r.accounts IS DISTINCT FROM a.n""",
    "a purged file's key is forgotten, or another's is kept": """
        WITH gone AS (SELECT storage_key FROM oracle.keys JOIN oracle.fates USING (id) WHERE fate = 'purge')
        SELECT count(*) FROM ((TABLE gone EXCEPT ALL SELECT storage_key FROM doomed_files)
                              UNION ALL (SELECT storage_key FROM doomed_files EXCEPT ALL TABLE gone)) AS wrong""",
    "receipts do not count the rows that went": """
        SELECT count(*) FROM (SELECT r.name, sum(r.rows) AS rows FROM oracle.rows r
                                JOIN oracle.fates f ON f.id = r.account_id WHERE fate = 'purge' GROUP BY r.name) gone
          FULL JOIN (SELECT c.key AS name, sum(c.value::bigint) AS rows
                       FROM receipts, jsonb_each_text(receipts.rows) AS c
                      WHERE action = 'purge' AND c.key <> 'accounts' GROUP BY c.key) counted USING (name)
         WHERE coalesce(gone.rows, 0) <> coalesce(counted.rows, 0)""",
}


def remember(engine: Engine) -> None:
    """Copy what is there before anything is touched."""
    with engine.begin() as connection:
        connection.exec_driver_sql(REMEMBER)


def findings(engine: Engine, as_of: str, zone: str = "Asia/Tokyo") -> dict[str, int]:
    """Return for each broken promise how often it is broken; empty when all are kept."""
    with engine.begin() as connection:
        for statement in FATES.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), {"as_of": as_of, "zone": zone} if ":zone" in statement else {})
        connection.exec_driver_sql("ANALYZE oracle.fates, oracle.accounts, oracle.rows, actions, receipts, accounts")
        broken = {promise: connection.scalar(text(sql)) for promise, sql in PROMISES.items()}
    return {promise: count for promise, count in broken.items() if count}


def count_fates(engine: Engine) -> dict[str, int]:
    """Return how many accounts had to be purged, closed and kept."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT fate, count(*) AS accounts FROM oracle.fates GROUP BY fate"))
        return {row.fate: row.accounts for row in rows}
