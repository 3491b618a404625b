"""Time zones as the database knows them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, Select, Text, column, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

__all__ = ["select_walls"]


def select_walls(zone: str, instants: Sequence[datetime]) -> Select[datetime]:
    """Select what clocks of a zone show at these instants, in ascending order: a column of times without a zone."""
    asked = (
        func.unnest(literal(list(instants), ARRAY(DateTime(timezone=True))))
        .table_valued(column("at", DateTime(timezone=True)), name="asked")
        .render_derived()
    )
    return select(func.timezone(literal(zone, Text), asked.c.at, type_=TIMESTAMP())).order_by(asked.c.at)
