"""Export the log: segments of JSON Lines outside the database, each going on where the newest ends."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from celery import shared_task
from sqlalchemy import Connection, Engine, func, select

from models.errors import ExportRunningError, Unverified
from models.proof import Head
from tasks import events
from tasks.base import MINUTELY, RETRYING, RetentionTask
from tasks.chain import PATIENCE, entries, head_now, snapshot
from tasks.directory import Directory, Part
from tasks.lineage import resume_point
from tasks.rules.integrity import actions_break, receipt_break
from tasks.rules.segments import Segment, entry_line, head_line, header_line, listed
from tasks.statements.proof import lock_export
from tasks.transaction import transaction

__all__ = ["Export", "export", "export_log"]

MOST_RECEIPTS, MOST_ACTIONS = 10_000, 100_000
TASK_SECONDS = 20

log = structlog.get_logger()


@dataclass(slots=True)
class Export:
    """What an export wrote.

    Attributes:
        head: the newest that is exported now; None where there is nothing to export yet.
        receipts: written by this run.
        actions: in them.
        segments: names of the files, in order.
        whole: whether the export had come up to the log's head; False where time was up before.
    """

    head: Head | None = None
    receipts: int = 0
    actions: int = 0
    segments: list[str] = field(default_factory=list)
    whole: bool = False


@shared_task(bind=True, base=RetentionTask, name="retention.export", **RETRYING)
def export(self: RetentionTask) -> None:
    """Write what the export has not yet, and the head to the structured log, so that it lives outside the database."""
    url = self.runtime.export_url
    if url is None:
        return
    try:
        done = export_log(self.runtime.engine, url, enough=self.runtime.patience(TASK_SECONDS))
    except ExportRunningError:
        return  # it does what we would
    except Unverified as error:
        log.error(events.EXPORT_REFUSED, failure=str(error))  # noqa: TRY400 - the text says all; it is raised besides
        raise
    if done.segments and done.head is not None:
        log.info(
            events.HEAD_EXPORTED,
            number=done.head.number,
            digest=done.head.digest.hex(),
            receipts=done.receipts,
            actions=done.actions,
            segment=done.segments[-1],
        )
    if not done.whole:
        export.apply_async(**MINUTELY)


def export_log(engine: Engine, url: str, *, enough: Callable[[], bool] = lambda: False) -> Export:
    """Write to the directory at `url` whatever it has not yet, segment by segment.

    Args:
        engine: the database.
        url: a directory in any filesystem that fsspec knows.
        enough: asked after each segment; once it says so, the rest is left to the next time.

    Raises:
        ExportRunningError: another export of this database is at work.
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the database or the place did not answer.
        Unverified: log and export do not belong together, or the log is not as it was written.
    """
    directory, done = Directory(url), Export()
    with transaction(engine, statement=PATIENCE) as lock:
        if not lock.scalar(lock_export()):
            raise ExportRunningError("another export of this database is at work; it writes what this one would")
        directory.clear_parts()
        while not done.whole:
            with snapshot(engine) as connection:
                _write_segment(lock, connection, directory, url, done)
            if enough():
                break
    return done


def _write_segment(lock: Connection, connection: Connection, directory: Directory, url: str, done: Export) -> None:
    segments = listed(directory.names())
    newest = segments[-1].head if segments else None
    follows, end = resume_point(connection, url, newest), head_now(connection)
    if end is None:
        raise Unverified("the chain has no head; run `retention log verify`")
    done.head, done.whole = newest, follows == end
    if done.whole:
        return
    part = directory.begin()
    try:
        part.write(header_line(len(segments) + 1, follows))
        head, actions = _write_receipts(connection, part, follows, end)
        part.write(head_line(head))
        # Whoever lost its connection lost the lock with it, and another may be writing the same.
        lock.execute(select(func.now()))
        segment = Segment(len(segments) + 1, follows.number + 1, head.number, head.digest)
        part.keep(segment.name)
    except BaseException:
        part.drop()
        raise
    done.head, done.whole = head, head == end
    done.receipts += head.number - follows.number
    done.actions += actions
    done.segments.append(segment.name)


def _write_receipts(connection: Connection, part: Part, follows: Head, end: Head) -> tuple[Head, int]:
    """Write receipts until the segment is full; returns the head it ends with, and how many actions are in it."""
    before, actions = follows, 0
    for receipt, lines in entries(connection, follows.number + 1, end.number):
        broken = receipt_break(receipt, before) or actions_break(receipt, lines)
        if broken is not None:
            raise Unverified(f"the log is {broken}. Nothing from there on is exported")
        part.write(entry_line(receipt, lines))
        before, actions = Head(receipt.number, receipt.digest), actions + len(lines)
        if before.number - follows.number >= MOST_RECEIPTS or actions >= MOST_ACTIONS:
            return before, actions
    if before != end:
        raise Unverified(f"the chain's head is {end}, but its receipts end with {before}; run `retention log verify`")
    return before, actions
