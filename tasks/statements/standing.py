"""Reading and writing what was counted of the whole, and what batches have added up to."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import Insert, insert

from models import Measurement

__all__ = ["select_standing", "write_standing"]


def write_standing(at: datetime, figures: dict[str, Any]) -> Insert:
    """Write down what was counted at `at`, unless something later is written down."""
    counted = insert(Measurement).values(single=True, at=at, figures=figures)
    later = Measurement.at <= counted.excluded.at
    return counted.on_conflict_do_update(
        index_elements=["single"], set_={"at": counted.excluded.at, "figures": counted.excluded.figures}, where=later
    )


def select_standing() -> Select[dict[str, Any]]:
    """Select what was counted last: one row, one document, or none."""
    return select(Measurement.figures)
