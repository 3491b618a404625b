"""Time travel: a database whose `now()`, and its like, say what a test wants.

Functions stand in front of PostgreSQL's own on the search path of one database. So the worker's statements, and
the people's, are the ones of production, on a clock that a test sets. Column defaults keep to the real clock.
"""

from datetime import datetime

from sqlalchemy import Engine, text

__all__ = ["DatabaseClock"]

CREATE = """
CREATE SCHEMA clock;
CREATE TABLE clock.hands (at timestamptz, since timestamptz, speed double precision);
INSERT INTO clock.hands VALUES (now(), now(), 1);
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT at + (pg_catalog.now() - since) * speed FROM clock.hands';
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT at + (pg_catalog.statement_timestamp() - since) * speed FROM clock.hands';
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT at + (pg_catalog.clock_timestamp() - since) * speed FROM clock.hands';
"""
SET = text("UPDATE clock.hands SET at = :at, since = pg_catalog.now(), speed = :speed")


class DatabaseClock:
    """The clock of one database; connections opened before it was made keep to the real one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            connection.exec_driver_sql(CREATE)
            name = connection.scalar(text("SELECT quote_ident(current_database())"))
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET search_path = clock, pg_catalog, public")
        engine.dispose()

    def set(self, at: datetime, *, speed: float = 0) -> None:
        """Set the clock; it stands still, or goes on from there so many times as fast as the real one."""
        with self._engine.begin() as connection:
            connection.execute(SET, {"at": at, "speed": speed})

    def now(self) -> datetime:
        """Return what the database's clock says."""
        with self._engine.connect() as connection:
            return connection.scalar(text("SELECT now()"))
