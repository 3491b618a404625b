"""Finding the rows of some accounts: in one table, and in one that is partitioned by the account."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, SQLColumnExpression, any_, func, select

__all__ = ["among"]


def among(
    account_id: SQLColumnExpression[int], numbers: ColumnElement[Any], *, partitioned: bool
) -> ColumnElement[bool]:
    """Return the condition that an account's number is in an array.

    An array is looked up in an index number by number, whatever the statistics say; but in the index of every
    partition. As rows that are joined to, each number leads to its own partition alone; and the planner, who cannot
    know how many come out of an array, takes them for few.
    """
    if not partitioned:
        return account_id == any_(numbers)
    return account_id.in_(select(func.unnest(numbers, type_=BigInteger)))
