"""The log's partitions: having them made ahead, and asking which there are and whether each refuses changes."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, ColumnElement, Select, exists, func, or_, select

from models.partitions import PARTITIONED, PREPARE_LOG
from tasks.statements.catalogs import CLASSES, FIRES, INHERITS, TRIGGERS

__all__ = ["is_function", "prepare_log", "select_partitions", "select_unguarded"]


def prepare_log() -> Select[int]:
    """Have the owner's function make the partitions that are missing: one row, how many it made."""
    return select(getattr(func, PREPARE_LOG)(type_=BigInteger))


def is_function(name: str) -> Select[bool]:
    """Ask whether there is a function of that name, and only one."""
    return select(func.to_regproc(name).is_not(None))


def select_partitions() -> Select[str]:
    """Select the partitions of the log: their names; none before the log was partitioned."""
    return (
        select(CLASSES.c.relname)
        .join_from(INHERITS, CLASSES, CLASSES.c.oid == INHERITS.c.inhrelid)
        .where(OF_THE_LOG)
        .order_by(CLASSES.c.relname)
    )


def select_unguarded(*others: str) -> Select[str]:
    """Select which of the log's tables and partitions, and of `others`, lack the trigger that refuses changes."""
    guarded = exists().where(
        TRIGGERS.c.tgrelid == CLASSES.c.oid, TRIGGERS.c.tgname == "append_only", TRIGGERS.c.tgenabled.in_(FIRES)
    )
    part = exists().where(INHERITS.c.inhrelid == CLASSES.c.oid, OF_THE_LOG)
    return (
        select(CLASSES.c.relname)
        .where(or_(_is_one(CLASSES.c.oid, (*PARTITIONED, *others)), part), ~guarded)
        .order_by(CLASSES.c.relname)
    )


def _is_one(relation: ColumnElement[int], names: Iterable[str]) -> ColumnElement[bool]:
    return or_(*(relation == func.to_regclass(name) for name in names))


OF_THE_LOG = _is_one(INHERITS.c.inhparent, PARTITIONED)
