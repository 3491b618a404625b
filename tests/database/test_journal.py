"""The judge of the fuzz tests is judged: each change without its record is found, by the promise that it breaks."""

import journal
import pytest
from builders import a_hold, an_account
from sqlalchemy import text

# What somebody might do by hand → the promise that it breaks.
ALONE = {
    "UPDATE accounts SET state = 'withdrawn', withdrawn_at = now()": "an account changed without a line",
    "UPDATE job_seekings SET status = 'invalid', invalidated_at = now()": "a job seeking changed without a line",
    """
    INSERT INTO transitions (account_id, kind, actor, at, to_state)
    SELECT id, 'withdraw', 'owner', now(), 'withdrawn' FROM accounts""": "a line of history without what it tells",
    """
    INSERT INTO transitions (account_id, kind, actor, at, to_state)
    SELECT id, 'withdraw', ' ', now(), 'withdrawn' FROM accounts""": "a line of history without who",
    "INSERT INTO holds (account_id, reason, placed_by) SELECT id, 'r', '' FROM accounts": "a hold that nobody placed",
    "UPDATE holds SET released_at = now(), released_by = 'mori'": "a hold that nobody released",
    "INSERT INTO pauses VALUES ('purge', now(), 'mori', 'r')": "a pause, or its end, without a decision",
    "DELETE FROM pauses": "a pause, or its end, without a decision",
    """
    INSERT INTO decisions (at, kind, policy, actor, reason, details)
    VALUES (now(), 'paused', 'purge', 'mori', '', '{}')""": "a decision without who or why",
    """
    INSERT INTO sweeps (policy, as_of, cutoff, actor, reason)
    VALUES ('purge', now(), now(), '', 'r')""": "a sweep that nobody asked for",
    "UPDATE sweeps SET approved_at = now()": "a sweep approved or rejected without a decision",
    "UPDATE sweeps SET status = 'rejected', ended_at = now()": "a sweep approved or rejected without a decision",
    "UPDATE quarantine SET set_aside_at = NULL WHERE policy = 'purge'": "an account let out of quarantine",
    "DELETE FROM quarantine WHERE policy = 'counter_only'": "an account let out of quarantine",
    "UPDATE doomed_files SET storage_key = NULL, settled_at = now()": "a file settled or tried again by nobody",
}
TOLD = """
WITH told AS (
    INSERT INTO transitions (account_id, kind, actor, at, to_state)
    SELECT id, 'withdraw', 'owner', now(), 'withdrawn' FROM accounts)
UPDATE accounts SET state = 'withdrawn', withdrawn_at = now()
"""


@pytest.fixture
def kept(engine):
    with engine.begin() as connection:
        a_hold(connection, an_account(connection))
        for statement in (
            "INSERT INTO pauses VALUES ('counter_only', now(), 'mori', 'r')",
            "INSERT INTO sweeps (policy, as_of, cutoff, actor, reason) VALUES ('purge', now(), now(), 'mori', 'r')",
            "INSERT INTO doomed_files (storage_key, sweep_id) VALUES ('1.pdf', 1)",
            """
            INSERT INTO quarantine SELECT id, policy, 3, 'f', now(), now(), now()
              FROM accounts, unnest(ARRAY['purge', 'counter_only']) AS policy""",
        ):
            connection.execute(text(statement))
    journal.begin(engine)
    return engine


def test_each_change_without_its_record_is_found(kept):
    for statement, promise in ALONE.items():
        with kept.begin() as connection:
            connection.execute(text("TRUNCATE journal.changes"))
            connection.execute(text(statement))
        assert any(broken.startswith(promise) for broken in journal.unrecorded(kept)), statement


def test_a_change_with_its_record_is_in_order(kept):
    with kept.begin() as connection:
        connection.execute(text(TOLD))
    assert journal.changes(kept) == {"accounts": 1, "transitions": 1}
    assert journal.unrecorded(kept) == {}
