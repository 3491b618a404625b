"""What a crowd begins with, and what is written down so that afterwards everything can be explained.

The schema `crowd` holds what people have done; `gone` keeps whatever a purge deletes, so that also who is gone is
judged. Both, and the column that says when an action was really written, exist in the test's database only.
"""

from datetime import datetime

from sqlalchemy import Engine, text

__all__ = ["keep_records", "populate", "write_down"]

KEPT = ("accounts", "job_seekings", "transitions", "holds")

# Written from the rules, for a zone without daylight saving: the day of an event counts if the event is its midnight.
LAW = """
CREATE SCHEMA crowd;
CREATE SCHEMA gone;
CREATE FUNCTION crowd.window_ends(event timestamptz) RETURNS timestamptz STABLE LANGUAGE sql AS $$
    SELECT ((event AT TIME ZONE 'Asia/Tokyo')::date + 31)::timestamp AT TIME ZONE 'Asia/Tokyo' $$;
CREATE FUNCTION crowd.first_day(event timestamptz) RETURNS date STABLE LANGUAGE sql AS $$
    SELECT ceil(extract(epoch FROM event AT TIME ZONE 'Asia/Tokyo') / 86400)::int + date '1970-01-01' $$;
CREATE FUNCTION crowd.years_end(event timestamptz) RETURNS timestamptz STABLE LANGUAGE sql AS $$
    SELECT (first + CASE to_char(first, 'MMDD') WHEN '0229' THEN interval '5 years 1 day' ELSE interval '5 years' END)
           AT TIME ZONE 'Asia/Tokyo'
      FROM crowd.first_day(event) AS first $$;
CREATE TABLE crowd.done (kind text, account_id bigint);
CREATE FUNCTION gone.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'INSERT INTO gone.' || quote_ident(TG_TABLE_NAME) || ' SELECT * FROM deleted';
    RETURN NULL;
END $$;
"""

POPULATION = (
    "SELECT setseed(0.5)",
    """
    INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at, created_at, version)
    SELECT 'online', state, 'seeker' || n || '@example.jp', :password_hash,
           CASE state WHEN 'withdrawn' THEN CAST(:start AS timestamptz) - random() * interval '45 days' END,
           CAST(:start AS timestamptz) - interval '10 years', CASE state WHEN 'withdrawn' THEN 2 ELSE 1 END
      FROM (SELECT n, CASE WHEN n % 3 = 0 THEN 'withdrawn' ELSE 'active' END AS state
              FROM generate_series(1, :accounts) AS n) AS seekers""",
    # Most registrations that run out do so at midnight.
    """
    INSERT INTO job_seekings (account_id, status, invalidated_at)
    SELECT id, CASE WHEN at IS NULL THEN 'valid' ELSE 'invalid' END,
           CASE WHEN id % 4 = 0 THEN at ELSE date_trunc('day', at, 'Asia/Tokyo') END
      FROM (SELECT id, CASE WHEN id % 5 < 3 THEN CAST(:start AS timestamptz) - random() * interval '5 years' END AS at
              FROM accounts) AS seekers""",
    """
    INSERT INTO transitions (account_id, kind, actor, at, from_state, to_state)
    SELECT id, 'register', 'owner', created_at, NULL, 'active' FROM accounts
    UNION ALL SELECT id, 'withdraw', 'owner', withdrawn_at, 'active', 'withdrawn' FROM accounts
               WHERE state = 'withdrawn'
    UNION ALL SELECT account_id, 'invalidate', 'office', invalidated_at, 'valid', 'invalid' FROM job_seekings
               WHERE status = 'invalid'""",
    """
    INSERT INTO applications (account_id, kind, status)
    SELECT id, 'self', CASE WHEN state = 'active' AND id % 10 = 1 THEN 'pending' ELSE 'rejected' END FROM accounts""",
    "INSERT INTO login_sessions (account_id, created_at) SELECT id, :start FROM accounts WHERE state = 'active'",
    "INSERT INTO messages (account_id) SELECT id FROM accounts",
    "INSERT INTO message_attachments (account_id, message_id) SELECT account_id, id FROM messages",
    "INSERT INTO saved_searches (account_id) SELECT id FROM accounts",
    "INSERT INTO saved_jobs (account_id) SELECT id FROM accounts",
    "INSERT INTO documents (account_id) SELECT id FROM accounts",
    "INSERT INTO crowd.done SELECT kind, account_id FROM transitions",
    "INSERT INTO crowd.done SELECT 'log in', account_id FROM login_sessions",
)


def keep_records(engine: Engine) -> None:
    """Make the place for records; the database's clock is made before."""
    with engine.begin() as connection:
        connection.exec_driver_sql(LAW)
        for table in KEPT:
            connection.exec_driver_sql(f"CREATE TABLE gone.{table} AS TABLE {table} WITH NO DATA")
            connection.exec_driver_sql(
                f"CREATE TRIGGER keep AFTER DELETE ON {table} REFERENCING OLD TABLE AS deleted"
                " FOR EACH STATEMENT EXECUTE FUNCTION gone.keep()"
            )
            connection.exec_driver_sql(
                f"CREATE VIEW crowd.{table} AS SELECT * FROM {table} UNION ALL SELECT * FROM gone.{table}"
            )


def populate(engine: Engine, *, accounts: int, start: datetime, password_hash: str) -> None:
    """Insert accounts, two thirds active and one withdrawn of late, whose history explains them."""
    values = {"accounts": accounts, "start": start, "password_hash": password_hash}
    with engine.begin() as connection:
        for statement in POPULATION:
            connection.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def write_down(engine: Engine, done: list[tuple[str, int]]) -> None:
    """Write down what people did: a row for each success, whose account it was."""
    with engine.begin() as connection:
        rows = [{"kind": kind, "account_id": account_id} for kind, account_id in done]
        connection.execute(text("INSERT INTO crowd.done VALUES (:kind, :account_id)"), rows)
