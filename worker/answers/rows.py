"""Rows of tables as documents show them: instants with the zone's offset, digests in hexadecimal."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from worker.answers.instants import rfc3339

__all__ = ["document"]


def document(row: Any, zone: ZoneInfo, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return a row's columns, or those of an object that `names` lists, as JSON can hold them."""
    columns = row._fields if names is None else names
    return {name: _plain(getattr(row, name), zone) for name in columns}


def _plain(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value, zone)
    return value.hex() if isinstance(value, bytes) else value
