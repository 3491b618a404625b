"""Constraints of what is an account's: which there must be and which there are, in PostgreSQL's own words."""

from collections.abc import Iterator

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Select,
    Table,
    Text,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    select,
    union_all,
)

from models import Account, JobSeeking
from tasks.statements.catalogs import CLASSES, CONSTRAINTS, FIRES, INHERITS, TRIGGERS, owned_relations
from tasks.statements.purge import owned_tables

__all__ = ["required", "select_constraints"]

# Whose checks the law relies on.
LAWFUL = (Account.__tablename__, JobSeeking.__tablename__)


def select_constraints() -> Select[str, str, bool, str, str]:
    """Select checks and foreign keys of what is an account's: rows (table, place, is_whole, name, definition).

    A place is the table itself, or one of its partitions; `is_whole` is whether it has some. `NOT VALID` and
    `NOT ENFORCED` are in the definition; a foreign key whose triggers are disabled has that added. Of a place without
    any constraint there is one row, without a name.
    """
    table, place, constraint = CLASSES.alias("whole"), CLASSES.alias("place"), CONSTRAINTS.c
    ours = select(CLASSES.c.oid, CLASSES.c.relkind).where(CLASSES.c.oid == any_(owned_relations())).cte("ours")
    parts = select(INHERITS.c.inhparent, INHERITS.c.inhrelid).join(ours, ours.c.oid == INHERITS.c.inhparent)
    places = union_all(select(ours.c.oid, ours.c.oid.label("place")), parts.where(ours.c.relkind == "p")).subquery()
    of_the_place = and_(constraint.conrelid == place.c.oid, constraint.contype.in_(("c", "f")))
    is_off = exists().where(TRIGGERS.c.tgconstraint == constraint.oid, TRIGGERS.c.tgenabled.not_in(FIRES))
    definition = func.pg_get_constraintdef(constraint.oid, type_=Text)
    return (
        select(
            table.c.relname.label("table"),
            place.c.relname.label("place"),
            (place.c.relkind == "p").label("is_whole"),
            constraint.conname.label("name"),
            definition.concat(case((is_off, literal(" DISABLED", Text)), else_="")).label("definition"),
        )
        .select_from(places)
        .join(table, table.c.oid == places.c.oid)
        .join(place, place.c.oid == places.c.place)
        .outerjoin(CONSTRAINTS, of_the_place)
        .order_by(table.c.relname, place.c.relname)
    )


def required(table: Table, place: str, *, is_whole: bool) -> Iterator[tuple[str, str]]:
    """Yield the constraints that a table, or a partition of it, has to have: (name, definition).

    Checks, where the law relies on them: partitions inherit those. And references to what is an account's, too: where
    there are partitions, each has its own, to the one of the same number, and to what is another's than `accounts` by
    the account as well.
    """
    part = place.removeprefix(table.name)
    for each in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
        if isinstance(each, CheckConstraint) and table.name in LAWFUL and not part:
            yield str(each.name), f"CHECK (({each.sqltext}))"
        elif isinstance(each, ForeignKeyConstraint) and each.referred_table in owned_tables() and not is_whole:
            parent = each.referred_table.name
            shared = ["account_id"] if part and parent != Account.__tablename__ else []
            ours = ", ".join([*shared, *each.column_keys])
            theirs = ", ".join([*shared, *(key.column.name for key in each.elements)])
            yield str(each.name), f"FOREIGN KEY ({ours}) REFERENCES {parent}{part}({theirs})"
