"""Do the database and this program know the same clocks? Each has an edition of the time zone database of its own."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from models import Policies
from tasks.statements.zones import select_walls

__all__ = ["first_difference"]

STEP = timedelta(hours=6)


def first_difference(connection: Connection, policies: Policies, now: datetime) -> date | None:
    """Return the first day on which the clocks of the policies' zone differ between the two; None where they agree.

    Looked at are the days that matter: events of the retention period before `now`, and due instants of the one after.
    """
    zone, around = policies.purge.zone, timedelta(days=366 * (policies.purge.years + 1))
    begin = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - around
    instants = [begin + number * STEP for number in range(2 * around // STEP)]
    theirs = connection.scalars(select_walls(zone.key, instants))
    for instant, wall in zip(instants, theirs, strict=True):
        ours = instant.astimezone(zone)
        if ours.replace(tzinfo=None) != wall:
            return ours.date()
    return None
