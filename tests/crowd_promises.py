"""What must be true of every account after a crowd, in SQL written from the rules alone.

Of people and worker on one account, whoever has its lock goes first, and both read the clock under it; so the order
of time is the order of what happened. Only an action's date in the log is its batch's beginning, before the lock.
"""

from builders import OWNED
from sqlalchemy import Connection, text

__all__ = ["PROMISES", "broken"]

OWNER = {"accounts": "id", "message_attachments": "(SELECT account_id FROM messages m WHERE m.id = message_id)"}
LEFT = " UNION ALL ".join(f"SELECT {OWNER.get(table, 'account_id')} AS account_id FROM {table}" for table in OWNED)

# Every change of an account's own row, with the one before it.
CHANGES = """
    WITH changes AS (
        SELECT *, lag(to_state) OVER story AS was, lag(at) OVER story AS was_at, lead(at) OVER story IS NULL AS last
          FROM (SELECT account_id, kind, at, from_state, to_state, NULL AS event_at FROM crowd.transitions
                 WHERE kind NOT IN ('invalidate', 'revalidate')
                UNION ALL
                SELECT account_id, 'close', acted_at, 'withdrawn', 'counter_only', event_at FROM actions
                 WHERE action = 'counter_only') AS told
        WINDOW story AS (PARTITION BY account_id ORDER BY at))"""
# Every change of its job seeking.
STATUSES = """
    WITH changes AS (
        SELECT *, lag(to_state) OVER story AS was, lead(at) OVER story AS until
          FROM (SELECT account_id, kind, at, from_state,
                       CASE kind WHEN 'register' THEN 'valid' ELSE to_state END AS to_state
                  FROM crowd.transitions WHERE kind IN ('register', 'invalidate', 'revalidate')) AS told
        WINDOW story AS (PARTITION BY account_id ORDER BY at))"""
OVER = "c.to_state = 'invalid' AND crowd.years_end(c.at) <="

PROMISES = {
    "an account's state and dates contradict each other": """
        SELECT count(*) FROM crowd.accounts WHERE CASE state
            WHEN 'active' THEN email IS NULL OR password_hash IS NULL OR num_nonnulls(withdrawn_at, counter_only_at) > 0
            WHEN 'withdrawn' THEN num_nulls(email, password_hash, withdrawn_at) > 0 OR counter_only_at IS NOT NULL
            WHEN 'counter_only' THEN num_nonnulls(email, password_hash) > 0 OR counter_only_at IS NULL
                OR counter_only_at < crowd.window_ends(withdrawn_at)
            ELSE true END""",
    "a date lies in the future": """
        SELECT count(*) FROM crowd.accounts a JOIN crowd.job_seekings j ON j.account_id = a.id
         WHERE greatest(a.withdrawn_at, a.counter_only_at, j.invalidated_at) > clock.now()""",
    "an account has no job seeking, or it has a date it must not have": """
        SELECT count(*) FROM crowd.accounts a LEFT JOIN crowd.job_seekings j ON j.account_id = a.id
         WHERE ((j.status = 'invalid') = (j.invalidated_at IS NOT NULL)) IS NOT TRUE""",
    "a change of state is not allowed after the one before": CHANGES
    + """
        SELECT count(*) FROM changes WHERE CASE kind
            WHEN 'register' THEN was IS NULL AND from_state IS NULL
            WHEN 'withdraw' THEN was = 'active' AND from_state = was
            WHEN 'reactivate' THEN was = 'withdrawn' AND from_state = was AND at < crowd.window_ends(was_at)
            WHEN 'close' THEN was = 'withdrawn' AND at >= crowd.window_ends(was_at) AND event_at = was_at
            WHEN 'recover' THEN from_state = 'counter_only'
                AND (was = 'counter_only' OR (was = 'withdrawn' AND at >= crowd.window_ends(was_at)))
            END IS NOT TRUE""",
    "the history does not explain an account's state": CHANGES
    + """
        SELECT count(*) FROM crowd.accounts a LEFT JOIN changes c ON c.account_id = a.id AND c.last
         WHERE (c.to_state = a.state
            AND a.withdrawn_at IS NOT DISTINCT FROM CASE kind WHEN 'withdraw' THEN at WHEN 'close' THEN event_at END
            AND a.counter_only_at IS NOT DISTINCT FROM CASE kind WHEN 'close' THEN at END) IS NOT TRUE""",
    "a version does not count the changes": CHANGES
    + """
        SELECT count(*) FROM crowd.accounts a
         WHERE version <> (SELECT count(*) FROM changes c WHERE c.account_id = a.id)""",
    "a change of status is not allowed after the one before": STATUSES
    + """
        SELECT count(*) FROM changes
         WHERE (kind = 'register' AND was IS NULL OR was <> to_state AND from_state = was) IS NOT TRUE""",
    "the history does not explain a status": STATUSES
    + """
        SELECT count(*) FROM crowd.job_seekings j
          LEFT JOIN changes c ON c.account_id = j.account_id AND c.until IS NULL
         WHERE (c.to_state = j.status
            AND j.invalidated_at IS NOT DISTINCT FROM CASE kind WHEN 'invalidate' THEN at END) IS NOT TRUE""",
    "an account was reopened though its years were over": STATUSES
    + f"""
        SELECT count(*) FROM crowd.transitions t JOIN changes c ON c.account_id = t.account_id
         WHERE t.kind IN ('reactivate', 'recover') AND t.at >= c.at AND (c.until IS NULL OR t.at < c.until)
           AND {OVER} t.at""",
    # Registering anew asks for the address and not for the years, so the moves it makes are not among these.
    "a window was closed though the purge was due": STATUSES
    + f"""
        SELECT count(*) FROM actions x JOIN sweeps s ON s.id = x.sweep_id JOIN changes c USING (account_id)
         WHERE x.action = 'counter_only' AND s.reason <> 'its address is given away' AND x.acted_at >= c.at
           AND (c.until IS NULL OR x.acted_at < c.until) AND {OVER} s.as_of""",
    "somebody withdrew with an application pending": """
        SELECT count(*) FROM applications a JOIN transitions t USING (account_id)
         WHERE a.kind = 'self' AND a.status = 'pending' AND t.kind = 'withdraw'""",
    "an office has seen somebody who is no office registrant, or the other way round": """
        SELECT count(*) FROM crowd.accounts a WHERE (registration = 'hellowork')
            <> EXISTS (SELECT FROM crowd.transitions t WHERE t.account_id = a.id AND t.kind = 'recover')""",
    "two accounts have one address": r"""
        SELECT count(*) - count(DISTINCT lower(btrim(normalize(email, NFKC), E' \t\n\x0B\f\r')))
          FROM accounts WHERE email IS NOT NULL""",
    "what people did is not what the history tells": """
        SELECT count(*) FROM (SELECT kind, account_id, count(*) AS n FROM crowd.done
                               WHERE kind NOT IN ('log in', 'hold', 'release') GROUP BY 1, 2) AS did
          FULL JOIN (SELECT kind, account_id, count(*) AS n FROM crowd.transitions GROUP BY 1, 2) AS told
             USING (kind, account_id) WHERE did.n IS DISTINCT FROM told.n""",
    "what people did is not what the holds tell": """
        SELECT count(*) FROM (SELECT account_id, count(*) FILTER (WHERE kind = 'hold') AS placed,
                                     count(*) FILTER (WHERE kind = 'release') AS released
                                FROM crowd.done WHERE kind IN ('hold', 'release') GROUP BY 1) AS did
          FULL JOIN (SELECT account_id, count(*) AS placed, count(released_at) AS released
                       FROM crowd.holds GROUP BY 1) AS told USING (account_id)
         WHERE (did.placed, did.released) IS DISTINCT FROM (told.placed, told.released)""",
    "a login is lost, of an account that was never left": """
        SELECT count(*) FROM accounts a WHERE version = 1
           AND (SELECT count(*) FROM login_sessions s WHERE s.account_id = a.id)
            <> (SELECT count(*) FROM crowd.done d WHERE d.account_id = a.id AND kind = 'log in')""",
    "a login has outlived a withdrawal, or nobody could have made it": """
        SELECT count(*) FROM login_sessions s JOIN accounts a ON a.id = s.account_id
         WHERE a.state <> 'active' OR s.created_at < (SELECT max(at) FROM transitions t
                                                       WHERE t.account_id = a.id AND kind = 'withdraw')""",
    "an account is gone without a purge, or purged and there, or purged twice": """
        SELECT count(*) FROM (SELECT account_id FROM crowd.done WHERE kind = 'register') AS born
          FULL JOIN (SELECT account_id, count(*) AS n FROM actions WHERE action = 'purge' GROUP BY 1) AS purged
             USING (account_id)
         WHERE (SELECT count(*) FROM accounts WHERE id = account_id) + coalesce(n, 0) <> 1""",
    "a purged account has a row left": f"""
        SELECT count(*) FROM ({LEFT}) AS rows JOIN actions x USING (account_id) WHERE x.action = 'purge'""",
    "an account was purged that was not five full years invalid": """
        SELECT count(*) FROM actions x LEFT JOIN gone.job_seekings j USING (account_id) WHERE action = 'purge'
           AND (j.status = 'invalid' AND x.event_at = j.invalidated_at
                AND x.due_at = crowd.years_end(j.invalidated_at) AND x.acted_at >= x.due_at) IS NOT TRUE""",
    "a window was closed before day 31": """
        SELECT count(*) FROM actions WHERE action = 'counter_only'
           AND (due_at = crowd.window_ends(event_at) AND acted_at >= due_at) IS NOT TRUE""",
    "an account was touched while it had a hold": """
        SELECT count(*) FROM actions x JOIN crowd.holds h USING (account_id)
         WHERE x.acted_at > h.placed_at AND (h.released_at IS NULL OR x.acted_at < h.released_at)""",
    "something due is left": """
        SELECT count(*) FROM accounts a JOIN job_seekings j ON j.account_id = a.id
         WHERE NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL)
           AND (crowd.years_end(j.invalidated_at) <= clock.now()
                OR a.state = 'withdrawn' AND crowd.window_ends(a.withdrawn_at) <= clock.now())""",
    "a receipt and its actions differ": """
        SELECT count(*) FROM receipts r
          FULL JOIN (SELECT receipt_id, sweep_id, action, acted_at, count(*) AS n FROM actions GROUP BY 1, 2, 3, 4) AS a
            ON (a.receipt_id, a.sweep_id, a.action, a.acted_at) = (r.id, r.sweep_id, r.action, r.acted_at)
         WHERE r.accounts IS DISTINCT FROM a.n""",
    "receipts do not count the rows that went": """
        SELECT count(*) FROM (SELECT 'accounts' AS name, count(*) AS n FROM gone.accounts
                              UNION ALL SELECT 'job_seekings', count(*) FROM gone.job_seekings
                              UNION ALL SELECT 'transitions', count(*) FROM gone.transitions
                              UNION ALL SELECT 'holds', count(*) FROM gone.holds) AS went
         WHERE n <> (SELECT coalesce(sum((rows ->> name)::bigint), 0) FROM receipts WHERE action = 'purge')""",
    "a sweep has met an error, or has not ended": """
        SELECT count(*) FROM sweeps WHERE status <> 'done' OR failure IS NOT NULL""",
}


def broken(connection: Connection) -> dict[str, int]:
    """Return for each broken promise how often it is broken; empty when all are kept."""
    counts = {promise: connection.scalar(text(sql)) for promise, sql in PROMISES.items()}
    return {promise: count for promise, count in counts.items() if count}
