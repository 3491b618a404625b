"""Certify one action: gather from the log what proves it to somebody without the database."""

from sqlalchemy import Engine

from models.errors import Refused, Unverified
from models.proof import Head
from tasks.chain import entries, head_at, head_now, receipts, snapshot
from tasks.rules.certificate import Certificate
from tasks.rules.integrity import actions_break
from tasks.rules.records import ReceiptRecord
from tasks.statements.proof import select_place

__all__ = ["certify"]


def certify(engine: Engine, action_id: int, *, to: int | None = None) -> Certificate:
    """Return the certificate of an action, checked.

    Args:
        engine: the database.
        action_id: which action.
        to: number of the receipt at whose head the certificate ends; None for the present head.

    Raises:
        Refused: there is no such action, or the chain has no such head after it.
        Unverified: the log is not as it was written, so that it proves nothing.
    """
    with snapshot(engine) as connection:
        number = connection.execute(select_place(action_id)).scalar_one_or_none()
        if number is None:
            raise Refused(f"there is no action {action_id} in the log; see `retention log list`")
        end = head_now(connection) if to is None else head_at(connection, to)
        if end is None or end.number < number:
            asked = "the chain's head" if to is None else f"receipt {to}"
            raise Refused(f"action {action_id} is in receipt {number}; {asked} is not there, or before it")
        receipt, actions = next(entries(connection, number, number))
        _body(receipt)
        broken = actions_break(receipt, actions)
        if broken is not None:
            raise Unverified(f"the log is {broken}")
        links = tuple(_body(each) for each in receipts(connection, number + 1, end.number))
    certificate = Certificate.over(action_id, receipt, actions, links, Head(*end))
    certificate.check()
    return certificate


def _body(receipt: ReceiptRecord) -> bytes:
    if not receipt.is_well_formed():
        raise Unverified(f"receipt {receipt.number} is not as it was written; run `retention log verify`")
    return receipt.body()
