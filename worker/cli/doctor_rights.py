"""The part of `retention doctor` that asks whether the database's role may what it must, and no more."""

from sqlalchemy import Engine

from models.errors import InvalidConfiguration, Unverified
from tasks.rights import examine
from tasks.statements.rights import Kind
from tasks.transaction import transaction

__all__ = ["examine_rights"]

MOST = 8
KINDS = {
    Kind.WORKER: ("worker", "change the log"),
    Kind.WEB_SERVER: ("web server", "change the log, write an action, delete an account, or read an address"),
}


def examine_rights(engine: Engine) -> str:
    """Return as whom we work, where that is in order.

    Raises:
        InvalidConfiguration: the role lacks what its kind needs, or is a reader's.
        Unverified: the role may do what none of its kind should, as change the log.
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
    if mine.kind is Kind.READER:
        raise InvalidConfiguration(
            f"role {mine.role} is a reader, for dashboards and reports: let worker, beat, web server and commands log "
            f"in as others, which `retention roles create` makes"
        )
    name, what = KINDS[mine.kind]
    if mine.lacking:
        raise InvalidConfiguration(
            f"role {mine.role} is no {name} yet: it lacks {_some(mine.lacking)}; `retention roles create` gives rights"
        )
    if mine.excess:
        raise Unverified(f"role {mine.role} may do what no {name} needs: {_some(mine.excess)}; revoke it")
    return f"role {mine.role} may do all that the {name} does, and nothing else; it cannot {what}"


def _some(rights: tuple[str, ...]) -> str:
    more = f" and {len(rights) - MOST} more" if len(rights) > MOST else ""
    return ", ".join(rights[:MOST]) + more
