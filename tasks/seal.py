"""Sealing: what a batch has done is counted against its sweep and chained to the log, right before the commit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert

from models import Policy, Receipt
from models.errors import SweepStoppedError
from models.proof import Head, merkle_root, receipt_body
from tasks.statements.log import extend_chain
from tasks.statements.sweeps import count_batch

__all__ = ["Acted", "seal"]


class Acted(NamedTuple):
    """What was done in a batch, as `tasks.statements.log.logged` returns it."""

    receipt_id: int
    accounts: int
    rows: Mapping[str, int]
    acted_at: datetime
    digests: Sequence[bytes]


def seal(
    connection: Connection,
    acted: Acted | Row[Any],
    *,
    sweep_id: int,
    policy: Policy,
    replays: bytes | None = None,
) -> Head:
    """Write the receipt of what an acting statement did; returns the head it makes.

    The sweep's row and then the chain's head are locked until the commit, always in this order, and last: so
    batches wait for one another as briefly as can be, and no batch commits once its sweep was stopped.

    Args:
        connection: in the transaction of the acting statement.
        acted: what it did.
        sweep_id: the sweep it belongs to.
        policy: what was done, and in which zone days are counted.
        replays: digest of the exported receipt that this one repeats.

    Raises:
        SweepStoppedError: the sweep may not go on; the transaction has to be rolled back.
    """
    said = {
        "id": acted.receipt_id,
        "sweep_id": sweep_id,
        "action": policy.name.value,
        "accounts": acted.accounts,
        "rows": dict(acted.rows),
        "acted_at": acted.acted_at,
        "root": merkle_root(acted.digests),
        "replays": replays,
    }
    batch = {
        "body": receipt_body(said),
        "accounts": acted.accounts,
        "action": policy.name.value,
        "day": acted.acted_at.astimezone(policy.zone).date(),
    }
    if connection.execute(count_batch(), {"sweep": sweep_id, "batch": acted.accounts}).one_or_none() is None:
        raise SweepStoppedError(f"sweep {sweep_id} was stopped; what the batch had done is undone")
    chain = connection.execute(extend_chain(), batch).one()
    connection.execute(insert(Receipt), said | chain._asdict())
    return Head(chain.number, chain.digest)
