"""Texts that an application may have written, as they are shown: cut, so that a list of them fits into memory."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Text, case, func
from sqlalchemy.sql.elements import KeyedColumnElement

__all__ = ["shown", "shown_columns"]

# As long as a reason of ours may be; an application's may be as long as PostgreSQL lets a text be, a gigabyte.
LONGEST_SIGNS = 1000


def shown(text: KeyedColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text, or its beginning with an ellipsis where it is longer than anybody reads."""
    cut = func.left(text, LONGEST_SIGNS).concat("…")
    return case((func.length(text) > LONGEST_SIGNS, cut), else_=text)


def shown_columns(columns: Iterable[KeyedColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Return columns under their names, with texts as they are shown."""
    return [shown(each).label(each.key) if isinstance(each.type, Text) else each for each in columns]
