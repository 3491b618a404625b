"""One batch: claim, look again, act, log, seal, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from models import Policy, PolicyName
from models.errors import (
    BatchRefusedError,
    BatchTooLongError,
    BatchUnknownError,
    OutcomeUnknownError,
    StatementError,
    TooLongError,
)
from models.proof import Head
from tasks.courtesy import Courtesy
from tasks.hash_partitions import acts_by_partition
from tasks.rules.cutoff import Cutoff
from tasks.rules.steps import steps
from tasks.seal import seal
from tasks.statements.claim import claim, take_lane
from tasks.statements.counter_only import move_claimed
from tasks.statements.purge import purge_claimed
from tasks.transaction import transaction

__all__ = ["Batch", "Known", "act", "run_batch"]

# A batch aims at half a second at most. One that takes twenty times as long is given up for one account at a time,
# and each of these may take all the time that a task has left.
TOGETHER, ALONE = timedelta(seconds=10), timedelta(seconds=40)
ACTING = {PolicyName.COUNTER_ONLY: move_claimed, PolicyName.PURGE: purge_claimed}

# An account in the order in which those due are claimed: its event and number.
Place = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch did.

    Attributes:
        claimed: accounts locked; 0 means that nothing due could be claimed.
        accounts: accounts acted on; fewer than claimed where one was no longer due.
        receipt_id: the batch's receipt; None when no account was acted on.
        head: of the chain, with that receipt as its last.
        place: the first of the claimed; None when none was.
    """

    claimed: int = 0
    accounts: int = 0
    receipt_id: int | None = None
    head: Head | None = None
    place: Place | None = None


Check = Callable[[Connection, int], None]


@dataclass(slots=True)
class Known:
    """What is known of a batch under way, for whoever has to say what became of it.

    Attributes:
        claimed: the accounts that are locked, as PostgreSQL writes an array; None before.
        receipt_id: its receipt; None before it has acted.
    """

    claimed: str | None = None
    receipt_id: int | None = None


def run_batch(  # noqa: PLR0913 - a batch is told all that it is
    engine: Engine,
    policy: Policy,
    cutoff: Cutoff,
    *,
    sweep_id: int,
    lane: int,
    limit: int,
    place: Place | None = None,
    examine: Check | None = None,
    check: Check | None = None,
    courtesy: Courtesy | None = None,
) -> Batch | None:
    """Act on the oldest due accounts from `place` on, up to `limit`, and log each, in one transaction.

    Args:
        engine: where to act.
        policy: what to do.
        cutoff: to whom.
        sweep_id: for which sweep.
        lane: drains of a sweep are told apart by it; one works on it at a time.
        limit: accounts at most.
        place: as of `act`.
        examine: as of `act`.
        check: the same once the receipt is chained.
        courtesy: what it does for others at work; None where it need not.

    Returns:
        What was done, or None where another drain is on this lane.

    Raises:
        Unavailable: see `transaction`.
        BatchUnknownError: the commit was not answered; `resolve_batch` says what became of it.
        BatchRefusedError: the database refused what would be done to these accounts; nothing was done.
        BatchTooLongError: it would have taken too long, as with an account that has a million messages; the same.
        StatementError: the database refused to look for accounts.
        SweepStoppedError: the sweep may not go on; nothing was done.
    """
    known, courtesy = Known(), courtesy or Courtesy(is_due=False)
    try:
        with transaction(engine, statement=TOGETHER if limit > 1 else ALONE) as connection:
            if not connection.scalar(take_lane(sweep_id, lane)):
                return None
            courtesy.wait_for_turn(connection)
            done = act(
                connection,
                policy,
                cutoff,
                sweep_id=sweep_id,
                limit=limit,
                place=place,
                examine=examine,
                known=known,
                between=courtesy.breathe,
            )
            if check is not None and done.receipt_id is not None:
                check(connection, done.receipt_id)
    except OutcomeUnknownError as error:
        raise error if known.receipt_id is None else BatchUnknownError(str(error), known.receipt_id) from None
    except (StatementError, TooLongError) as error:
        if known.claimed is None:
            raise
        kind = BatchTooLongError if isinstance(error, TooLongError) else BatchRefusedError
        raise kind(str(error), tuple(map(int, known.claimed.strip("{}").split(",")))) from None
    return done


def act(  # noqa: PLR0913 - as `run_batch`
    connection: Connection,
    policy: Policy,
    cutoff: Cutoff,
    *,
    sweep_id: int,
    limit: int,
    place: Place | None = None,
    examine: Check | None,
    known: Known,
    between: Callable[[], None] = lambda: None,
) -> Batch:
    """Claim the oldest due accounts from `place` on, act on those still due, log, seal, in the caller's transaction.

    Args:
        connection: in that transaction.
        policy: what to do.
        cutoff: to whom.
        sweep_id: for which sweep.
        limit: accounts at most.
        place: to claim from here on, inclusive; whoever is due and comes before is left alone. None for the oldest.
        examine: looks at what was done, given its receipt's number, before anybody waits for this batch. What it
            raises undoes the batch.
        known: is told how far one has come.
        between: is called between two statements, up to the seal, which others wait for.

    Raises:
        SweepStoppedError: the sweep may not go on; the transaction has to be rolled back.
    """
    partitioned = acts_by_partition(connection)
    begins_at, begins_with = place or (None, None)
    asked = {"most": limit, "event_at": begins_at, "account_id": begins_with}
    accounts, known.claimed, dates, event_at, account_id = connection.execute(claim(cutoff), asked).one()
    if known.claimed is None:
        return Batch()
    between()
    starts, dues = steps(policy, dates or ())
    acting = ACTING[cutoff.policy](cutoff, sweep_id, partitioned=partitioned)
    acted = connection.execute(acting, {"claimed": known.claimed, "starts": starts, "dues": dues}).one_or_none()
    if acted is None:
        return Batch(accounts, place=(event_at, account_id))
    known.receipt_id = acted.receipt_id
    if examine is not None:
        between()
        examine(connection, acted.receipt_id)
    between()
    head = seal(connection, acted, sweep_id=sweep_id, policy=policy)
    return Batch(accounts, acted.accounts, acted.receipt_id, head, (event_at, account_id))
