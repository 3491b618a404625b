"""Accounts that fall due all the time, as an import brings them; and how long the worker lets each of them wait."""

import time
from pathlib import Path
from uuid import uuid4

from crowd import PASSWORD
from people import HASHER
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Unavailable

__all__ = ["Feed"]

# What was there before anybody was fed falls due, as far as it does, when the soak begins.
PLACE = """
CREATE SCHEMA soak;
CREATE TABLE soak.fed (account_id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), storage_key text);
INSERT INTO soak.fed (account_id) SELECT id FROM accounts;
CREATE FUNCTION soak.due_since(account bigint) RETURNS timestamptz STABLE LANGUAGE sql AS $$
    SELECT greatest(f.at, (SELECT max(released_at) FROM crowd.holds h WHERE h.account_id = account))
      FROM soak.fed f WHERE f.account_id = account $$;
"""

# Of five accounts the years of two are over, the window of two is, and one stays. Each has a history that explains it.
# Nobody's dates are moved later: what the worker did before would then look as if it had been wrong.
FEED = """
WITH fed AS (
    INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at, created_at, version)
    SELECT 'online', CASE WHEN closes THEN 'withdrawn' ELSE 'active' END, n || '.' || :batch || '@example.jp',
           :password_hash, CASE WHEN closes THEN now() - interval '32 days' - random() * interval '14 days' END,
           now() - interval '10 years', CASE WHEN closes THEN 2 ELSE 1 END
      FROM (SELECT n, n % 5 IN (2, 3) AS closes
              FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n) AS seekers
 RETURNING id, state, created_at, withdrawn_at, split_part(email, '.', 1)::bigint AS n
), statuses AS (
    INSERT INTO job_seekings (account_id, status, invalidated_at)
    SELECT id, CASE WHEN n % 5 = 4 THEN 'valid' ELSE 'invalid' END,
           CASE WHEN n % 5 = 4 THEN NULL
                WHEN state = 'withdrawn' THEN now() - interval '1 year'
                WHEN n % 2 = 0 THEN now() - interval '1830 days' * (1 + random() / 20)
                ELSE date_trunc('day', now() - interval '1830 days' * (1 + random() / 20), 'Asia/Tokyo') END
      FROM fed RETURNING account_id, invalidated_at
), told AS (
    INSERT INTO transitions (account_id, kind, actor, at, from_state, to_state)
    SELECT id, 'register', 'owner', created_at, NULL, 'active' FROM fed
    UNION ALL SELECT id, 'withdraw', 'owner', withdrawn_at, 'active', 'withdrawn' FROM fed WHERE state = 'withdrawn'
    UNION ALL SELECT account_id, 'invalidate', 'office', invalidated_at, 'valid', 'invalid' FROM statuses
               WHERE invalidated_at IS NOT NULL
 RETURNING kind, account_id
), done AS (
    INSERT INTO crowd.done SELECT kind, account_id FROM told
), sent AS (
    INSERT INTO messages (account_id) SELECT id FROM fed RETURNING id, account_id
), attached AS (
    INSERT INTO message_attachments (account_id, message_id) SELECT account_id, id FROM sent
), kept AS (
    INSERT INTO documents (account_id, storage_key) SELECT id, :batch || '/' || n || '.pdf' FROM fed
)
INSERT INTO soak.fed (account_id, storage_key) SELECT id, :batch || '/' || n || '.pdf' FROM fed
"""

WAITING = """
SELECT count(*) AS accounts, coalesce(extract(epoch FROM now() - min(soak.due_since(a.id))), 0)::float AS seconds
  FROM accounts a JOIN job_seekings j ON j.account_id = a.id
 WHERE (crowd.years_end(j.invalidated_at) <= now()
        OR a.state = 'withdrawn' AND crowd.window_ends(a.withdrawn_at) <= now())
   AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL)
"""
# A batch's actions have the instant at which it began; a hold that was released after that kept nobody waiting.
WAITED = """
SELECT extract(epoch FROM acted_at)::float AS at,
       extract(epoch FROM acted_at - greatest(f.at, (SELECT max(released_at) FROM crowd.holds h
                                                      WHERE h.account_id = f.account_id
                                                        AND h.released_at <= acted_at)))::float AS seconds
  FROM actions JOIN soak.fed f USING (account_id) WHERE acted_at >= f.at ORDER BY acted_at
"""
FILES = """
SELECT storage_key, EXISTS (SELECT FROM accounts a WHERE a.id = account_id) FROM soak.fed
 WHERE storage_key IS NOT NULL
"""


class Feed:
    """Brings so many accounts a second, each with a file, and knows which wait."""

    def __init__(self, engine: Engine, documents: Path, rate: float) -> None:
        self._engine, self._documents, self._rate = engine, documents, rate
        self._began: float | None = None
        self._fed = 0
        self._password_hash = HASHER.hash(PASSWORD)

    def begin(self) -> None:
        """Make the place where it is written down who was fed when."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(PLACE)

    def feed(self) -> None:
        """Bring as many accounts as are owed since the first call; what an outage delays comes after it."""
        self._began = self._began or time.monotonic()
        owed = int((time.monotonic() - self._began) * self._rate)
        if owed > self._fed and self._bring(self._fed + 1, owed):
            self._fed = owed

    def _bring(self, first: int, last: int) -> bool:
        """Bring accounts by their numbers, all or none; returns whether that was done.

        Where the commit was not answered they may be there nevertheless; more come then, under other addresses.
        """
        batch = uuid4().hex
        (self._documents / batch).mkdir()
        for number in range(first, last + 1):
            (self._documents / batch / f"{number}.pdf").touch()
        values = {"first": first, "last": last, "batch": batch, "password_hash": self._password_hash}
        try:
            with self._engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = '5s'"))
                connection.execute(text(FEED), values)
        except (SQLAlchemyError, Unavailable):
            return False
        return True

    def waiting(self, connection: Connection) -> tuple[int, float]:
        """Return how many are due and not acted on, and for how many seconds the one that waits longest."""
        accounts, seconds = connection.execute(text(WAITING)).one()
        return accounts, seconds

    def waited(self) -> list[tuple[float, float]]:
        """Return of each that was acted on when that was, in seconds since 1970, and how many seconds it had waited."""
        with self._engine.connect() as connection:
            return [(at, seconds) for at, seconds in connection.execute(text(WAITED))]

    def wrong_files(self) -> int:
        """Count the files that are there though their account was purged, or gone though it was not."""
        with self._engine.connect() as connection:
            return sum(
                (self._documents / key).exists() != wanted for key, wanted in connection.execute(text(FILES)).all()
            )
