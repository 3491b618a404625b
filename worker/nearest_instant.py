"""Instants of the database that are none of Python's: read as the nearest that is, so that one odd row stops nobody."""

from datetime import UTC, datetime

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader

__all__ = ["EARLIEST", "LATEST", "NearestInstant"]

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class NearestInstant(Loader):
    """Reads `timestamptz`: infinities, years before 1 and after 9999 as the ends of Python's calendar.

    Only to be shown: the dates that the law asks about are finite, by constraints of the database.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        usual = psycopg.adapters.get_loader(oid, self.format)
        assert usual is not None  # noqa: S101 - psycopg knows the type
        self._usual = usual(oid, context)

    def load(self, data: Buffer) -> datetime:
        """Return the instant, or the end of the calendar that it lies beyond."""
        try:
            instant: datetime = self._usual.load(data)
        except psycopg.DataError:
            said = bytes(data)
            return EARLIEST if said.startswith(b"-") or said.endswith(b"BC") else LATEST
        return instant
