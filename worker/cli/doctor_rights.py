"""The part of `retention doctor` that asks whether the database's role may what it must, and no more."""

from sqlalchemy import Engine

from models.errors import InvalidConfiguration, Unverified
from tasks.rights import examine
from tasks.transaction import transaction

__all__ = ["examine_rights"]

MOST = 8


def examine_rights(engine: Engine) -> str:
    """Return as whom we work, where that is in order.

    Raises:
        InvalidConfiguration: the role lacks what the worker needs.
        Unverified: the role may do what no worker should, as change the log.
    """
    with transaction(engine) as connection:
        mine = examine(connection)
    if mine.owns and mine.separated:
        raise Unverified(
            f"role {mine.role} could change the log: it is for `retention migrate` alone; "
            f"let everything else log in as a member of {mine.workers}"
        )
    if mine.owns:
        return (
            f"role {mine.role} may do all that the worker does, and more: it could change the log; "
            "`retention roles create` makes one that cannot"
        )
    if mine.lacking:
        what = "is a reader, for dashboards and reports: it" if mine.reads else "is no worker yet: it"
        raise InvalidConfiguration(
            f"role {mine.role} {what} lacks {_some(mine.lacking)}; `retention roles create` gives rights to workers"
        )
    if mine.excess:
        raise Unverified(f"role {mine.role} may do what no worker needs: {_some(mine.excess)}; revoke it")
    return f"role {mine.role} may do all that the worker does, and nothing else; it cannot change the log"


def _some(rights: tuple[str, ...]) -> str:
    more = f" and {len(rights) - MOST} more" if len(rights) > MOST else ""
    return ", ".join(rights[:MOST]) + more
