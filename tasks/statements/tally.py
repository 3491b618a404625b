"""Tallying faults: how often each was found, and whom it concerns."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array

__all__ = ["SAMPLE", "Tally", "counted", "tally"]

SAMPLE = 10

Tally = Select[str, int, list[int]]


def tally(
    rows: Select[*tuple[Any, ...]], number: SQLColumnExpression[int], faults: Mapping[str, ColumnElement[bool]]
) -> Tally:
    """Return `rows` as a tally of faults: rows (fault, count, sample), none where all is well.

    Args:
        rows: what is judged; its columns do not matter.
        number: whom a row concerns; of these the smallest are shown, `SAMPLE` at most.
        faults: what is wrong with a row for which the condition holds.
    """
    found = array([case((condition, literal(fault, Text))) for fault, condition in faults.items()])
    judged = rows.where(or_(*faults.values()))
    return counted(judged.with_only_columns(number.label("number"), func.unnest(found).label("fault")).subquery())


def counted(judged: FromClause) -> Tally:
    """Return rows (number, fault) as a tally, those without a fault left out."""
    numbers = func.array_agg(aggregate_order_by(judged.c.number, judged.c.number), type_=ARRAY(BigInteger))
    return (
        select(judged.c.fault, func.count(), numbers[1:SAMPLE])
        .where(judged.c.fault.is_not(None))
        .group_by(judged.c.fault)
        .order_by(judged.c.fault)
    )
