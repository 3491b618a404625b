"""The files that purges left: claiming, postponing, refusing, forgetting, and what is told about them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, Integer, Select, Text, Update, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.sql.dml import ReturningUpdate

from models import Document, DoomedFile
from models.base import Instant
from tasks.rules.patience import LONGEST as LONGEST_WAIT
from tasks.rules.storage_key import IN_USE, LONGEST
from tasks.statements.shown import shown_columns

__all__ = [
    "bring_forward",
    "claim_files",
    "count_files",
    "count_files_of",
    "forget_files",
    "postpone_file",
    "refuse_file",
    "retry_files",
    "select_files",
    "select_keys",
    "select_used",
    "settle_file",
]

LEFT = DoomedFile.settled_at.is_(None)
REFUSED = DoomedFile.refused_at.is_not(None)
SHARED = DoomedFile.failure.is_not_distinct_from(IN_USE)
AWAITED = DoomedFile.refused_at.is_(None) & ~SHARED


def claim_files() -> Select[int, str, int]:
    """Lock files that are to be tried now, longest awaited first, up to the parameter `most`.

    Returns rows (id, storage_key, attempts), of a key that is too long so much as shows that it is. Rows that another
    eraser has locked are passed over.
    """
    key = func.left(DoomedFile.storage_key, LONGEST + 1).label("storage_key")
    return (
        select(DoomedFile.id, key, DoomedFile.attempts)
        .where(DoomedFile.refused_at.is_(None), LEFT, DoomedFile.next_try_at <= func.now())
        .order_by(DoomedFile.next_try_at, DoomedFile.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


def bring_forward() -> Update:
    """Let what waits for longer than any failure makes it wait be tried now, up to the parameter `most`.

    A clock that was ahead said so; by it the file would not count as late for as long, either. Rows that another eraser
    has locked are passed over.
    """
    beyond = (DoomedFile.refused_at.is_(None), LEFT, DoomedFile.next_try_at > func.now() + LONGEST_WAIT)
    some = select(DoomedFile.id).where(*beyond).order_by(DoomedFile.next_try_at.desc(), DoomedFile.id.desc())
    some = some.limit(bindparam("most", type_=Integer)).with_for_update(skip_locked=True)
    ids = func.array(some.scalar_subquery(), type_=ARRAY(BIGINT))
    since = func.least(DoomedFile.created_at, func.now())
    return update(DoomedFile).where(DoomedFile.id == any_(ids)).values(next_try_at=func.now(), created_at=since)


def select_used(keys: Iterable[str]) -> Select[str]:
    """Select those of `keys` that a document names, each once."""
    given = func.unnest(bindparam(None, list(keys), type_=ARRAY(Text))).table_valued("key").render_derived()
    used = select(Document.id).where(Document.storage_key == given.c.key).exists()
    return select(given.c.key).where(used).distinct()


def select_keys(*, limit: int) -> Select[str]:
    """Select keys of the newest documents that have one; none that is too long."""
    return (
        select(Document.storage_key)  # type: ignore[return-value]  # the condition leaves no NULL
        .where(func.length(Document.storage_key) <= LONGEST)
        .order_by(Document.id.desc())
        .limit(limit)
    )


def forget_files(ids: Iterable[int]) -> Delete:
    """Delete the rows of files that are gone."""
    return delete(DoomedFile).where(_among(ids))


def postpone_file() -> Update:
    """Count an attempt that failed; parameters: `file`, `kind`, `after`, the wait until the next."""
    return (
        update(DoomedFile)
        .where(DoomedFile.id == bindparam("file"))
        .values(
            attempts=DoomedFile.attempts + 1,
            failure=bindparam("kind"),
            tried_at=func.clock_timestamp(),
            next_try_at=func.clock_timestamp() + bindparam("after"),
        )
    )


def refuse_file() -> Update:
    """Set a file aside; parameters: `file`, `kind`, why."""
    return (
        update(DoomedFile)
        .where(DoomedFile.id == bindparam("file"))
        .values(refused_at=func.clock_timestamp(), failure=bindparam("kind"), tried_at=func.clock_timestamp())
    )


def retry_files(ids: Iterable[int] | None, *, actor: str, reason: str) -> ReturningUpdate[int]:
    """Make files due now, refused ones too: those of `ids`, or all with None; returns their ids."""
    asked = update(DoomedFile).where(LEFT)
    if ids is not None:
        asked = asked.where(_among(ids))
    return asked.values(next_try_at=func.now(), refused_at=None, actor=actor, reason=reason).returning(DoomedFile.id)


def settle_file(file_id: int, *, actor: str, reason: str) -> ReturningUpdate[int]:
    """Write down that nothing is left to erase, and forget the key; returns the id, or no row where it is settled."""
    return (
        update(DoomedFile)
        .where(DoomedFile.id == file_id, LEFT)
        .values(settled_at=func.now(), storage_key=None, actor=actor, reason=reason)
        .returning(DoomedFile.id)
    )


def count_files(*, overdue_after: timedelta) -> Select[int, int, int, int, datetime | None]:
    """Count the files that are left: one row (waiting, overdue, refused, in_use, oldest_at).

    Args:
        overdue_after: how old a waiting file has to be to count as overdue.

    A file in use waits for another account's document, and so is neither late nor `waiting`; `oldest_at` is of
    those that wait or are refused.
    """
    waiting = func.count().filter(AWAITED)
    return select(
        waiting.label("waiting"),
        func.count().filter(AWAITED, _older(overdue_after)).label("overdue"),
        func.count().filter(REFUSED).label("refused"),
        func.count().filter(SHARED, ~REFUSED).label("in_use"),
        func.min(DoomedFile.created_at, type_=Instant()).filter(AWAITED | REFUSED).label("oldest_at"),
    ).where(LEFT)


def count_files_of(sweep_ids: Iterable[int], *, overdue_after: timedelta) -> Select[int, int, int, int]:
    """Count the files that are left of sweeps: rows (sweep_id, left, overdue, refused); none where none is left."""
    return (
        select(
            DoomedFile.sweep_id,
            func.count(),
            func.count().filter(AWAITED, _older(overdue_after)),
            func.count().filter(REFUSED),
        )
        .where(LEFT, DoomedFile.sweep_id == any_(_array(sweep_ids)))
        .group_by(DoomedFile.sweep_id)
    )


def select_files(*, refused: bool = False, settled: bool = False, limit: int) -> Select[Any]:
    """Select files, oldest first: every column of `doomed_files`, long texts cut.

    Args:
        refused: only those that are refused.
        settled: those that are settled, instead of those that are left.
        limit: rows at most.
    """
    rows = select(*shown_columns(DoomedFile.__table__.columns)).order_by(DoomedFile.id).limit(limit)
    rows = rows.where(DoomedFile.settled_at.is_not(None) if settled else LEFT)
    return rows.where(REFUSED) if refused else rows


def _older(than: timedelta) -> Any:
    return DoomedFile.created_at < func.now() - than


def _among(ids: Iterable[int]) -> Any:
    return DoomedFile.id == any_(_array(ids))


def _array(numbers: Iterable[int]) -> Any:
    return bindparam(None, list(numbers), type_=ARRAY(BIGINT))
