"""A journal of all that is changed, kept by the database itself, and what must stand beside each change.

`begin` sets triggers, in the test's own database only; `unrecorded` then names each change that has no record in its
own transaction: a half of an act, or an act that nobody can be asked about. Shares nothing with the program.
"""

from sqlalchemy import Engine, text

__all__ = ["begin", "changes", "unrecorded"]

KEPT = (
    "accounts",
    "job_seekings",
    "transitions",
    "holds",
    "pauses",
    "decisions",
    "sweeps",
    "actions",
    "quarantine",
    "doomed_files",
)

BEGIN = """
CREATE SCHEMA journal;
CREATE TABLE journal.changes (
    at xid8 DEFAULT pg_current_xact_id(), name text, how text, old jsonb NOT NULL, new jsonb NOT NULL);
CREATE FUNCTION journal.write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO journal.changes (name, how, old, new)
    VALUES (TG_ARGV[0], TG_OP, coalesce(to_jsonb(OLD), '{}'), coalesce(to_jsonb(NEW), '{}'));
    RETURN NULL;
END $$;
"""

# The same account's line of history, or of the log, in the same transaction.
OF_ACCOUNT = """
    SELECT FROM journal.changes r WHERE r.at = c.at AND r.name = ANY (ARRAY[{kinds}]) AND r.how = 'INSERT'
       AND r.new ->> 'account_id' = coalesce(c.new ->> '{id}', c.old ->> '{id}')"""
HISTORY_OR_LOG = OF_ACCOUNT.format(kinds="'transitions', 'actions'", id="id")
ABOUT_SEEKING = OF_ACCOUNT.format(kinds="'transitions', 'actions'", id="account_id")
# Who decided it and why, about the same policy, in the same transaction.
DECIDED = """
    SELECT FROM journal.changes r WHERE r.at = c.at AND r.name = 'decisions' AND r.new ->> 'kind' = {kind}
       AND r.new ->> 'policy' = coalesce(c.new ->> 'policy', c.old ->> 'policy')"""
NOBODY = "coalesce(trim(c.new ->> '{0}'), '') = ''"
NAMELESS = f"({NOBODY.format('actor')} OR {NOBODY.format('reason')})"
CHANGED = "c.old -> '{0}' IS DISTINCT FROM c.new -> '{0}'"


def _changed(*columns: str) -> str:
    return "(" + " OR ".join(CHANGED.format(column) for column in columns) + ")"


STATE = _changed("state", "email", "withdrawn_at", "counter_only_at", "registration")
PROMISES = {
    "an account changed without a line of its history or of the log": f"""
        name = 'accounts' AND {STATE} AND NOT EXISTS ({HISTORY_OR_LOG})""",
    "a job seeking changed without a line of history or of the log": f"""
        name = 'job_seekings' AND {_changed("status", "invalidated_at")} AND NOT EXISTS ({ABOUT_SEEKING})""",
    "a line of history without what it tells": """
        name = 'transitions' AND how = 'INSERT' AND NOT EXISTS (
            SELECT FROM journal.changes a WHERE a.at = c.at AND a.name IN ('accounts', 'job_seekings')
               AND c.new ->> 'account_id' = coalesce(a.new ->> 'account_id', a.new ->> 'id'))""",
    "a line of history without who": f"name = 'transitions' AND how = 'INSERT' AND {NOBODY.format('actor')}",
    "a line of the log without what it tells": """
        name = 'actions' AND how = 'INSERT' AND NOT EXISTS (
            SELECT FROM journal.changes a WHERE a.at = c.at AND a.name = 'accounts'
               AND c.new ->> 'account_id' = coalesce(a.new ->> 'id', a.old ->> 'id'))""",
    "a hold that nobody placed": f"""
        name = 'holds' AND how = 'INSERT' AND ({NOBODY.format("placed_by")} OR {NOBODY.format("reason")})""",
    "a hold that nobody released": f"""
        name = 'holds' AND how = 'UPDATE' AND c.old - 'placed_at' <> c.new - 'placed_at'
        AND ({NOBODY.format("released_by")} OR {NOBODY.format("release_reason")})""",
    "a pause, or its end, without a decision": f"""
        name = 'pauses' AND NOT EXISTS (
            {DECIDED.format(kind="CASE c.how WHEN 'INSERT' THEN 'paused' ELSE 'resumed' END")})""",
    "a decision without who or why": f"name = 'decisions' AND {NAMELESS}",
    "a sweep that nobody asked for": f"name = 'sweeps' AND how = 'INSERT' AND {NAMELESS}",
    "a sweep approved or rejected without a decision": f"""
        name = 'sweeps' AND how = 'UPDATE' AND (
            (c.new ->> 'approved_at' > coalesce(c.old ->> 'approved_at', '')
             AND NOT EXISTS ({DECIDED.format(kind="'approved'")}))
            OR (c.old ->> 'status' <> 'rejected' AND c.new ->> 'status' = 'rejected'
                AND NOT EXISTS ({DECIDED.format(kind="'rejected'")})))""",
    "an account let out of quarantine without a decision": f"""
        name = 'quarantine' AND c.old ->> 'set_aside_at' IS NOT NULL AND c.new ->> 'set_aside_at' IS NULL
        AND NOT EXISTS ({DECIDED.format(kind="'retried'")})
        AND NOT EXISTS ({OF_ACCOUNT.format(kinds="'actions'", id="account_id")})""",
    "a file settled or tried again by nobody": f"""
        name = 'doomed_files' AND how = 'UPDATE' AND {NAMELESS}
        AND {_changed("settled_at", "storage_key")}""",
}


def begin(engine: Engine) -> None:
    """Keep a journal from now on."""
    with engine.begin() as connection:
        connection.exec_driver_sql(BEGIN)
        for table in KEPT:
            connection.exec_driver_sql(
                f"CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION journal.write('{table}')"
            )


def unrecorded(engine: Engine) -> dict[str, int]:
    """Return for each broken promise how often it is broken; empty where every change has its record."""
    found = _count(engine, PROMISES)
    return {promise: count for promise, count in found.items() if count}


def changes(engine: Engine) -> dict[str, int]:
    """Return how many rows of which tables were written, changed or deleted."""
    found = _count(engine, {table: f"name = '{table}'" for table in KEPT})
    return {table: count for table, count in found.items() if count}


def _count(engine: Engine, conditions: dict[str, str]) -> dict[str, int]:
    with engine.begin() as connection:
        return {
            name: connection.execute(text(f"SELECT count(*) FROM journal.changes c WHERE {condition}")).scalar_one()
            for name, condition in conditions.items()
        }
