"""Accounts partitioned by their hash: whether they are, what a partition lacks, and how one partition is found."""

from functools import cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    exists,
    func,
    literal,
    not_,
    select,
    union_all,
)

from models import Account
from models.account_addresses import ADDRESSES, KEEP_ADDRESS
from tasks.statements.catalogs import CLASSES, FIRES, INDEXES, INHERITS, TRIGGERS, owned_relations

__all__ = ["count_partitions", "is_partitioned", "look_up_by_index", "select_flaws", "select_leaves"]


@cache
def is_partitioned() -> Select[bool]:
    """Ask whether `accounts` is a partitioned table: one row, or none where it is missing."""
    return select(CLASSES.c.relkind == "p").where(CLASSES.c.oid == func.to_regclass(Account.__tablename__))


def look_up_by_index() -> Select[str, str, str]:
    """Let the transaction find rows by index, one number after the other, until it ends.

    The planner counts a look into every partition for each number, though it will be into one, and so would rather
    read whole tables.
    """
    return select(*(func.set_config(f"enable_{way}", "off", True) for way in ("hashjoin", "mergejoin", "seqscan")))


def count_partitions() -> Select[str, int]:
    """Count the partitions of `accounts` and of each table that is an account's: rows (table, partitions).

    None of a table that is not partitioned, or is not there.
    """
    whole, part = CLASSES.alias("whole"), INHERITS.alias("part")
    return (
        select(whole.c.relname, func.count(part.c.inhrelid, type_=Integer).label("partitions"))
        .outerjoin_from(whole, part, part.c.inhparent == whole.c.oid)
        .where(whole.c.oid == any_(owned_relations()), whole.c.relkind == "p")
        .group_by(whole.c.relname)
    )


def select_leaves() -> Select[str]:
    """Select the partitions by hash, and the table of addresses with its own: names of tables, none elsewhere."""
    wholes = owned_relations(ADDRESSES)
    part = exists().where(INHERITS.c.inhrelid == CLASSES.c.oid, INHERITS.c.inhparent == any_(wholes))
    addresses = CLASSES.c.oid == func.to_regclass(ADDRESSES)
    return select(CLASSES.c.relname).where(part | addresses).order_by(CLASSES.c.relname)


def select_flaws() -> Select[str, str]:
    """Select what a partition lacks, or the whole: rows (table, what), as ("messages_3", "index ix_…")."""
    whole, leaf, part = CLASSES.alias("whole"), CLASSES.alias("leaf"), INHERITS.alias("part")
    leaves: FromClause = part.join(leaf, leaf.c.oid == part.c.inhrelid).join(whole, whole.c.oid == part.c.inhparent)
    partitioned = and_(whole.c.oid == any_(owned_relations(ADDRESSES)), whole.c.relkind == "p")
    index, name, theirs, own = (
        INDEXES.alias("of_whole"),
        CLASSES.alias("name"),
        INHERITS.alias("attached"),
        INDEXES.alias("of_leaf"),
    )
    indexed = exists().where(
        theirs.c.inhparent == index.c.indexrelid,
        theirs.c.inhrelid == own.c.indexrelid,
        own.c.indrelid == leaf.c.oid,
        own.c.indisvalid,
    )
    no_index = (
        select(leaf.c.relname, literal("index ", Text).concat(name.c.relname))
        .select_from(leaves)
        .join(index, index.c.indrelid == whole.c.oid)
        .join(name, name.c.oid == index.c.indexrelid)
        .where(partitioned, not_(indexed))
    )
    trigger, same = TRIGGERS.alias("trigger"), TRIGGERS.alias("same")
    fires = exists().where(same.c.tgrelid == leaf.c.oid, same.c.tgname == trigger.c.tgname, same.c.tgenabled.in_(FIRES))
    no_trigger = (
        select(leaf.c.relname, literal("trigger ", Text).concat(trigger.c.tgname))
        .select_from(leaves)
        .join(trigger, trigger.c.tgrelid == whole.c.oid)
        .where(
            partitioned,
            not_(trigger.c.tgisinternal),
            _is_for_rows(trigger),
            trigger.c.tgenabled.in_(FIRES),
            not_(fires),
        )
    )
    kept = exists().where(
        TRIGGERS.c.tgrelid == whole.c.oid, TRIGGERS.c.tgname == KEEP_ADDRESS, TRIGGERS.c.tgenabled.in_(FIRES)
    )
    accounts = and_(whole.c.oid == func.to_regclass(Account.__tablename__), whole.c.relkind == "p")
    no_keeper = select(whole.c.relname, literal(f"trigger {KEEP_ADDRESS}", Text)).where(accounts, not_(kept))
    no_addresses = select(whole.c.relname, literal(f"table {ADDRESSES}", Text)).where(
        accounts, func.to_regclass(ADDRESSES).is_(None)
    )
    found = union_all(no_index, no_trigger, no_keeper, no_addresses).subquery("found")
    place, what = found.c
    return select(place, what).order_by(place, what)


def _is_for_rows(trigger: FromClause) -> ColumnElement[bool]:
    """Return the condition that a trigger fires for each row: only such a one stands on each partition as well."""
    return trigger.c.tgtype.bitwise_and(1) == 1
