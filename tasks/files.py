"""The files that purges left: how many are left, which, and what people do about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row

from models.errors import Refused
from tasks.rules.named import require_named
from tasks.statements.files import count_files, count_files_of, retry_files, select_files, settle_file
from tasks.transaction import transaction

__all__ = ["FilesLeft", "files_left", "files_left_of", "list_files", "retry", "settle"]

OVERDUE = timedelta(minutes=15)
# An eraser may have a file for as long as it waits for the store.
LOCK_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class FilesLeft:
    """Files of purged accounts that are still there.

    Attributes:
        waiting: to be erased as soon as the store lets them.
        overdue: those waiting that have been for more than a quarter of an hour.
        refused: their key is not one that may be erased; nothing is tried until a person decides.
        in_use: another account's document names them too; erased when none does any more.
        oldest_at: when the oldest that is waiting or refused was left.
    """

    waiting: int
    overdue: int
    refused: int
    in_use: int
    oldest_at: datetime | None


def files_left(connection: Connection) -> FilesLeft:
    """Return how many files are left of all purges."""
    return FilesLeft(*connection.execute(count_files(overdue_after=OVERDUE)).one())


def files_left_of(connection: Connection, sweep_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Return for each sweep how many of its files are `left`, `overdue` and `refused`: complete when none is left."""
    ids = list(sweep_ids)
    found = connection.execute(count_files_of(ids, overdue_after=OVERDUE)).all()
    counts = {sweep_id: (left, overdue, refused) for sweep_id, left, overdue, refused in found}
    return {each: dict(zip(("left", "overdue", "refused"), counts.get(each, (0, 0, 0)), strict=True)) for each in ids}


def list_files(engine: Engine, **which: Any) -> list[Row[Any]]:
    """Return files that are left, oldest first; `which` as for `select_files`."""
    with transaction(engine) as connection:
        return list(connection.execute(select_files(**which)).all())


def retry(engine: Engine, file_id: int | None, *, actor: str, reason: str) -> list[int]:
    """Make a file due now, or with None every one that is left, even if refused before; returns their numbers.

    Raises:
        Refused: there is no such file, or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    ids = None if file_id is None else [file_id]
    with transaction(engine, lock=LOCK_PATIENCE) as connection:
        asked = list(connection.scalars(retry_files(ids, actor=actor, reason=reason)))
    if file_id is not None and not asked:
        raise Refused(_no_file(file_id))
    return asked


def settle(engine: Engine, file_id: int, *, actor: str, reason: str) -> None:
    """Write down that a person saw to a file, and forget its key.

    Raises:
        Refused: there is no such file, or actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine, lock=LOCK_PATIENCE) as connection:
        if connection.scalar(settle_file(file_id, actor=actor, reason=reason)) is None:
            raise Refused(_no_file(file_id))


def _no_file(file_id: int) -> str:
    return f"no file {file_id} is left; it is erased or settled, or never was: see `retention files list`"
