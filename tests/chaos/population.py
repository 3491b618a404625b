"""What a campaign's database holds when a round begins: made once for all rounds, and copied for each."""

from datetime import UTC, datetime

from administration import Administration
from crowd import PASSWORD
from crowd_records import keep_records, populate
from own_servers import OwnServers
from people import HASHER
from sqlalchemy import make_url, text

from worker.database import connect, migrate

__all__ = ["copied"]

THERE = "SELECT count(*) FROM pg_database WHERE datname = '{}'"

# The crowd's judgement asks for the time by this name; and faults may do something before a batch adds to the log.
OURS = """
CREATE SCHEMA clock;
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT pg_catalog.now()';
CREATE SCHEMA chaos;
CREATE FUNCTION chaos.before_actions() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER chaos BEFORE INSERT ON actions FOR EACH STATEMENT EXECUTE FUNCTION chaos.before_actions();
"""
# The years of some are over; whoever is due has one history, as all have.
OVERDUE = """
WITH moved AS (
    UPDATE job_seekings
       SET invalidated_at = date_trunc('day', now() - interval '1830 days' * (1 + random() / 20), 'Asia/Tokyo')
     WHERE status = 'invalid' AND account_id % 3 = 1 RETURNING account_id, invalidated_at)
UPDATE transitions t SET at = moved.invalidated_at FROM moved
 WHERE t.account_id = moved.account_id AND t.kind = 'invalidate'
"""

# Each has a file of a person's in object storage.
KEYS = "UPDATE documents SET storage_key = 'documents/' || id || '.pdf'"


def copied(servers: OwnServers, name: str, *, accounts: int) -> str:
    """Make a database of this name with accounts of every kind, some of them due; returns its URL."""
    template = f"chaos_template_{accounts}"
    with Administration(servers.database_url) as administration:
        if not administration(THERE.format(template)):
            administration(f"CREATE DATABASE {template}")
            _fill(_url(servers, template), accounts)
        administration(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return _url(servers, name)


def _fill(url: str, accounts: int) -> None:
    engine = connect(url, pooled=False)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text(OURS))
    keep_records(engine)
    populate(engine, accounts=accounts, start=datetime.now(UTC), password_hash=HASHER.hash(PASSWORD))
    with engine.begin() as connection:
        connection.execute(text("SELECT setseed(0.5)"))
        connection.execute(text(OVERDUE))
        connection.execute(text(KEYS))
    engine.dispose()


def _url(servers: OwnServers, name: str) -> str:
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)
