"""A backup of a test's database, to be restored; and what the log exported meanwhile."""

from sqlalchemy import text

from tasks.chain import entries, head_now, snapshot

__all__ = ["Backup", "exported"]


def exported(engine):
    """The log as an export gives it: each receipt with its actions."""
    with snapshot(engine) as connection:
        end = head_now(connection)
        return list(entries(connection, 1, end.number))


TABLES = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


class Backup:
    """All tables as they are now, to be brought back later."""

    def __init__(self, engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            self._tables = connection.scalar(text(TABLES)).split(", ")
            connection.execute(text("CREATE SCHEMA backup"))
            for table in self._tables:
                connection.execute(text(f"CREATE TABLE backup.{table} AS SELECT * FROM public.{table}"))

    def restore(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"TRUNCATE {', '.join(self._tables)} CASCADE"))
            for table in self._tables:
                connection.execute(text(f"INSERT INTO public.{table} SELECT * FROM backup.{table}"))
