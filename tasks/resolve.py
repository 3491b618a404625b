"""Finding out what became of a batch whose commit was not answered: by looking, never by guessing."""

import structlog
from sqlalchemy import Engine

from models.proof import Head
from tasks import events
from tasks.statements.claim import await_lane
from tasks.statements.log import select_receipt
from tasks.transaction import transaction

__all__ = ["resolve_batch"]

log = structlog.get_logger()


def resolve_batch(engine: Engine, *, sweep_id: int, lane: int, receipt_id: int) -> bool:
    """Look whether a batch is there, tell the structured log, and return it.

    The server may still be at the commit, as nobody told it that its client is gone. A batch has its lane until it
    has ended, so the lane is waited for first.

    Raises:
        Unavailable: the database does not answer, or the lane is not free yet.
    """
    with transaction(engine) as connection:
        connection.execute(await_lane(sweep_id, lane))
        receipt = connection.execute(select_receipt(receipt_id)).one_or_none()
    log.warning(
        events.BATCH_RESOLVED,
        sweep=sweep_id,
        lane=lane,
        receipt=receipt_id,
        committed=receipt is not None,
        accounts=receipt.accounts if receipt else 0,
        head=str(Head(receipt.number, receipt.digest)) if receipt else None,
    )
    return receipt is not None
