"""What others are doing in the database, as far as every role may see it."""

from functools import cache

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, column, exists, func, or_, select, table

__all__ = ["look_around"]

SESSIONS = table(
    "pg_stat_activity",
    *map(column, ("pid", "datname", "usesysid", "application_name", "backend_xid", "backend_xmin")),
)
LOCKS = table("pg_locks", column("pid"), column("granted"))
SLOTS = table("pg_replication_slots", *map(column, ("active", "slot_type", "restart_lsn")))
OURS = "retention"
# Where the server counts checkpoints that were asked for, by its version.
COUNTED_SINCE_17 = 170_000


@cache
def look_around(server_version: int) -> Select[int, int, int, int]:
    """Count others at work, those of them who wait, the bytes a replica is behind, and forced checkpoints; one row.

    A session shows its state only to its own role, but to everybody whether it holds a snapshot or has written: so
    it is known to be at work. `server_version` as the driver gives it: 180002 is 18.2.
    """
    other = and_(
        SESSIONS.c.datname == func.current_database(),
        SESSIONS.c.usesysid.is_not(None),
        SESSIONS.c.application_name != OURS,
    )
    at_work = or_(SESSIONS.c.backend_xid.is_not(None), SESSIONS.c.backend_xmin.is_not(None))
    waits = exists().where(LOCKS.c.pid == SESSIONS.c.pid, ~LOCKS.c.granted)
    behind = (
        select(func.max(func.pg_wal_lsn_diff(func.pg_current_wal_lsn(), SLOTS.c.restart_lsn)))
        .where(SLOTS.c.active, SLOTS.c.slot_type == "physical")
        .scalar_subquery()
    )
    return (
        select(
            func.count(),
            func.count().filter(waits),
            cast(func.coalesce(behind, 0), BigInteger),
            _forced_checkpoints(server_version),
        )
        .select_from(SESSIONS)
        .where(other, at_work)
    )


def _forced_checkpoints(server_version: int) -> ColumnElement[int]:
    if server_version >= COUNTED_SINCE_17:
        return func.pg_stat_get_checkpointer_num_requested(type_=BigInteger)
    return func.pg_stat_get_bgwriter_requested_checkpoints(type_=BigInteger)
