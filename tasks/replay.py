"""Replaying an exported log after a restore: what must not exist is deleted again, what the log lacks is taken up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, insert

from models import Action, Policies, Policy, PolicyName, Receipt, SweepStatus
from models.errors import Refused
from models.proof import EPOCH
from tasks.chain import Entry
from tasks.hash_partitions import acts_by_partition
from tasks.pauses import pause_stops
from tasks.rules.cutoff import Cutoff
from tasks.rules.named import require_named
from tasks.rules.records import ActionRecord, ReceiptRecord
from tasks.seal import Acted, seal
from tasks.statements.log import select_ids
from tasks.statements.replay import act_again, lock_accounts, select_known, select_returned
from tasks.statements.sweeps import end_sweep, insert_sweep, read_clock, start_sweep
from tasks.transaction import transaction

__all__ = ["Comparison", "compare", "replay"]

RECEIPTS_AT_ONCE = 500
SAMPLE_ACCOUNTS = 10


@dataclass(slots=True)
class Accounts:
    """Some accounts: how many, and the numbers of the first."""

    many: int = 0
    sample: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Count one more."""
        self.many += 1
        if len(self.sample) < SAMPLE_ACCOUNTS:
            self.sample.append(number)


@dataclass(slots=True)
class Comparison:
    """An exported log against the database.

    Attributes:
        receipts: exported ones that the database neither has nor has taken up.
        actions: in those.
        to_delete: accounts that were deleted, and are back with the same invalidation.
        to_move: accounts that were moved to counter-only, and are back inside the same withdrawal.
        held: of both, those that somebody holds, and that stay until the hold is released.
        differing: accounts under the number of a deleted one whose invalidation is another: a person has to look.
    """

    receipts: int = 0
    actions: int = 0
    to_delete: Accounts = field(default_factory=Accounts)
    to_move: Accounts = field(default_factory=Accounts)
    held: Accounts = field(default_factory=Accounts)
    differing: Accounts = field(default_factory=Accounts)

    @property
    def is_the_same(self) -> bool:
        """Whether the database has all that was exported."""
        return not self.receipts


def compare(engine: Engine, exported: Iterable[Entry]) -> Comparison:
    """Return what the database lacks of an exported log, and what it has that must not exist; changes nothing."""
    found = Comparison()
    for receipt, actions in _missing(engine, exported):
        with transaction(engine) as connection:
            _look(connection, receipt, actions, found)
    return found


def replay(engine: Engine, policies: Policies, exported: Iterable[Entry], *, actor: str, reason: str) -> Comparison:
    """Act again on what a backup brought back, and take the receipts that it lacks up into the chain.

    Each exported receipt is repeated by one of a new sweep: with the events, due instants and instants of the first
    time, and with the first one's digest, by which the new chain is linked to the old. One transaction a receipt; a
    replay that was interrupted is gone on with by another.

    Returns:
        What was missing; of its accounts, those held or differing are still there.

    Raises:
        Refused: a policy is paused, or actor or reason cannot be recorded; what was taken up before stays taken up.
    """
    require_named(actor=actor, reason=reason)
    _require_going(engine, policies)
    done = Comparison()
    sweeps: dict[PolicyName, int] = {}
    for receipt, actions in _missing(engine, exported):
        name = PolicyName(receipt.action)
        if name not in sweeps:
            sweeps[name] = _begin(engine, policies, name, actor=actor, reason=reason)
        with transaction(engine) as connection:
            connection.execute(lock_accounts([action.account_id for action in actions]))
            _look(connection, receipt, actions, done)
            again = act_again(name, sweeps[name], partitioned=acts_by_partition(connection))
            rows = connection.execute(again, _given(actions)).scalar_one()
            _take_up(connection, receipt, actions, rows, sweep_id=sweeps[name], policy=policies[name])
    for sweep_id in sweeps.values():
        with transaction(engine) as connection:
            connection.execute(end_sweep(sweep_id))
    return done


def _missing(engine: Engine, exported: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the exported receipts that the database neither has nor has taken up."""
    rest = iter(exported)
    while portion := list(islice(rest, RECEIPTS_AT_ONCE)):
        with transaction(engine) as connection:
            rows = connection.execute(select_known([receipt.digest for receipt, _ in portion])).all()
        known = {digest for row in rows for digest in row}
        yield from (entry for entry in portion if entry[0].digest not in known)


def _look(connection: Connection, receipt: ReceiptRecord, actions: Sequence[ActionRecord], found: Comparison) -> None:
    found.receipts += 1
    found.actions += len(actions)
    name = PolicyName(receipt.action)
    for account_id, is_same, is_held in connection.execute(select_returned(name), _given(actions)):
        if not is_same:
            found.differing.add(account_id)
        elif is_held:
            found.held.add(account_id)
        else:
            (found.to_delete if name is PolicyName.PURGE else found.to_move).add(account_id)


def _given(actions: Sequence[ActionRecord]) -> dict[str, list[Any]]:
    return {
        "account_ids": [action.account_id for action in actions],
        "event_ats": [_instant(action.event_at) for action in actions],
        "acted_ats": [_instant(action.acted_at) for action in actions],
    }


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _require_going(engine: Engine, policies: Policies) -> None:
    with transaction(engine) as connection:
        stops = [stop for policy in policies for stop in pause_stops(connection, policy.name)]
    if stops:
        raise Refused(f"a policy is {stops[0].detail}")


def _begin(engine: Engine, policies: Policies, name: PolicyName, *, actor: str, reason: str) -> int:
    with transaction(engine) as connection:
        now = connection.execute(read_clock()).scalar_one()
        cutoff = Cutoff.of(policies, name, now)
        # No fingerprint: it follows the log, not the policy, and is no example for the policy's own sweeps.
        asked = insert_sweep(
            cutoff, as_of=now, tick=None, actor=actor, reason=f"replay of an exported log: {reason}", fingerprint=None
        )
        sweep_id = connection.execute(asked).scalar_one()
        connection.execute(start_sweep(sweep_id, due=0, allowed=None, seen=SweepStatus.QUEUED))
    return sweep_id


def _take_up(
    connection: Connection,
    receipt: ReceiptRecord,
    actions: Sequence[ActionRecord],
    rows: Mapping[str, int],
    *,
    sweep_id: int,
    policy: Policy,
) -> None:
    """Write a receipt that repeats the exported one, with its actions, and chain it."""
    (receipt_id,) = connection.scalars(select_ids(Receipt, many=1))
    ids = connection.scalars(select_ids(Action, many=len(actions))).all()
    repeated = [
        action._replace(id=number, sweep_id=sweep_id, receipt_id=receipt_id)
        for number, action in zip(ids, actions, strict=True)
    ]
    digests = [action.recomputed() for action in repeated]
    instants = ("event_at", "due_at", "acted_at")
    lines = [
        action._asdict() | {name: _instant(getattr(action, name)) for name in instants} | {"digest": digest}
        for action, digest in zip(repeated, digests, strict=True)
    ]
    connection.execute(insert(Action), lines)
    acted = Acted(receipt_id, len(actions), rows, _instant(receipt.acted_at), digests)
    seal(connection, acted, sweep_id=sweep_id, policy=policy, replays=receipt.digest)
