"""Replaying an exported log after a restore: what must not exist is deleted again, what the log lacks is taken up."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, insert

from models import Action, Policies, PolicyName, Receipt, SweepStatus
from models.errors import Refused
from models.proof import action_digest
from tasks.pauses import pause_stops
from tasks.rules.cutoff import Cutoff
from tasks.seal import Acted, seal
from tasks.statements.log import select_ids
from tasks.statements.replay import act_again, lock_accounts, select_known, select_returned
from tasks.statements.sweeps import end_sweep, insert_sweep, read_clock, start_sweep
from tasks.transaction import transaction

__all__ = ["Comparison", "compare", "replay"]

RECEIPTS_AT_ONCE = 500
SAMPLE_ACCOUNTS = 10

# A receipt as it was exported: its columns, and as `actions` those of its actions, in the order of their ids.
Exported = Mapping[str, Any]


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


def compare(engine: Engine, exported: Iterable[Exported]) -> Comparison:
    """Return what the database lacks of an exported log, and what it has that must not exist; changes nothing."""
    found = Comparison()
    for receipt in _missing(engine, exported):
        with transaction(engine) as connection:
            _look(connection, receipt, found)
    return found


def replay(engine: Engine, policies: Policies, exported: Iterable[Exported], *, actor: str, reason: str) -> Comparison:
    """Act again on what a backup brought back, and take the receipts that it lacks up into the chain.

    Each exported receipt is repeated by one of a new sweep: with the events, due instants and instants of the first
    time, and with the first one's digest, by which the new chain is linked to the old. One transaction a receipt; a
    replay that was interrupted is gone on with by another.

    Returns:
        What was missing; of its accounts, those held or differing are still there.

    Raises:
        Refused: a policy is paused; what was taken up before stays taken up.
    """
    _require_going(engine, policies)
    done = Comparison()
    sweeps: dict[PolicyName, int] = {}
    for receipt in _missing(engine, exported):
        name = PolicyName(receipt["action"])
        if name not in sweeps:
            sweeps[name] = _begin(engine, policies, name, actor=actor, reason=reason)
        with transaction(engine) as connection:
            connection.execute(lock_accounts([action["account_id"] for action in receipt["actions"]]))
            _look(connection, receipt, done)
            rows = connection.execute(act_again(name, sweeps[name]), _given(receipt)).scalar_one()
            _take_up(connection, receipt, rows, sweeps[name])
    for sweep_id in sweeps.values():
        with transaction(engine) as connection:
            connection.execute(end_sweep(sweep_id))
    return done


def _missing(engine: Engine, exported: Iterable[Exported]) -> Iterator[Exported]:
    """Yield the exported receipts that the database neither has nor has taken up."""
    rest = iter(exported)
    while portion := list(islice(rest, RECEIPTS_AT_ONCE)):
        with transaction(engine) as connection:
            rows = connection.execute(select_known([receipt["digest"] for receipt in portion])).all()
        known = {digest for row in rows for digest in row}
        # One that repeats another is missing only if that one is missing, too, and then that one is taken up.
        yield from (each for each in portion if each["digest"] not in known and each["replays"] not in known - {None})


def _look(connection: Connection, receipt: Exported, found: Comparison) -> None:
    found.receipts += 1
    found.actions += len(receipt["actions"])
    name = PolicyName(receipt["action"])
    for account_id, is_same, is_held in connection.execute(select_returned(name), _given(receipt)):
        if not is_same:
            found.differing.add(account_id)
        elif is_held:
            found.held.add(account_id)
        else:
            (found.to_delete if name is PolicyName.PURGE else found.to_move).add(account_id)


def _given(receipt: Exported) -> dict[str, list[Any]]:
    told = ("account_id", "event_at", "acted_at")
    return {f"{name}s": [action[name] for action in receipt["actions"]] for name in told}


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


def _take_up(connection: Connection, receipt: Exported, rows: Mapping[str, int], sweep_id: int) -> None:
    """Write a receipt that repeats the exported one, with its actions, and chain it."""
    (receipt_id,) = connection.scalars(select_ids(Receipt, many=1))
    ids = connection.scalars(select_ids(Action, many=len(receipt["actions"]))).all()
    actions = [
        {**action, "id": number, "sweep_id": sweep_id, "receipt_id": receipt_id}
        for number, action in zip(ids, receipt["actions"], strict=True)
    ]
    for action in actions:
        action["digest"] = action_digest(action)
    connection.execute(insert(Action), actions)
    acted = Acted(receipt_id, len(actions), rows, receipt["acted_at"], [action["digest"] for action in actions])
    seal(connection, acted, sweep_id=sweep_id, action=PolicyName(receipt["action"]), replays=receipt["digest"])
