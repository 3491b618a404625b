"""How a database and an export of its log belong together: one goes on from the other, or a restore divides them."""

from sqlalchemy import Connection

from models.errors import Unverified
from models.proof import GENESIS, Head
from tasks.chain import head_at, head_now, receipts
from tasks.exported import ReadSegment, read_segments
from tasks.statements.proof import select_replay

__all__ = ["common_ancestor", "resume_point"]


def resume_point(connection: Connection, url: str, newest: Head | None) -> Head:
    """Return the receipt after which an export goes on.

    That is its newest head; or, where receipts of it were repeated after a restore, the last that both have.

    Args:
        connection: sees one snapshot of the log.
        url: the export.
        newest: its newest head; None where nothing was exported.

    Raises:
        Unverified: the log does not contain that head, and repeats it nowhere.
    """
    if newest is None:
        return Head(0, GENESIS)
    if head_at(connection, newest.number) == newest:
        return newest
    if connection.execute(select_replay(newest.digest)).first() is not None:
        return common_ancestor(connection, url)
    present = head_now(connection)
    behind = present is not None and present.number < newest.number
    state = "is behind" if behind else "has another receipt of that number"
    raise Unverified(
        f"the export ends with {newest}, the database with {present}: it {state}. "
        "Restored from an older backup? See `retention log replay`"
    )


def common_ancestor(connection: Connection, url: str) -> Head:
    """Return the highest receipt of an export, of those that count, that the database has as well.

    Raises:
        InvalidConfiguration: the URL cannot be used.
        Unavailable: the place did not answer.
        Unverified: the export is not as it was written.
    """
    for read in read_segments(url, newest_first=True):
        if head_at(connection, read.follows.number) == read.follows:
            return _last_in_common(connection, read)
    return Head(0, GENESIS)


def _last_in_common(connection: Connection, read: ReadSegment) -> Head:
    last = read.follows
    ours = receipts(connection, read.segment.first, read.counts_to)
    for (theirs, _), receipt in zip(read.entries, ours, strict=False):
        if theirs.digest != receipt.digest or theirs.number != receipt.number:
            break
        last = Head(receipt.number, receipt.digest)
    return last
