"""The gates: everything that has to be right before a sweep may act, each judged alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func

from models import Policy, PolicyName
from models.errors import InvalidConfiguration, Unavailable, Unverified
from models.proof import Head
from tasks import events
from tasks.base import Runtime
from tasks.catalog import catalog_faults
from tasks.chain import head_at, head_now
from tasks.exported import exported_head
from tasks.hash_partitions import acts_by_partition
from tasks.pauses import pause_stops
from tasks.rules.ceiling import allowances, ceiling_stops, enough_accounts, most_by_settings
from tasks.rules.clocks import clock_stops
from tasks.rules.cutoff import Cutoff, cutoff_stops
from tasks.rules.gate import Gate, Stop
from tasks.rules.policy_change import change_stops, other_worker_stops
from tasks.statements.control import (
    select_clock,
    select_expected,
    select_last_judged,
    set_clock,
)
from tasks.statements.due import count_accounts, count_due, due_since
from tasks.statements.proof import select_replay
from tasks.statements.sweeps import read_clock
from tasks.transaction import transaction

__all__ = [
    "Verdict",
    "comes_from_the_future",
    "distrusts_clock",
    "judge",
    "judge_alone",
    "stopped_since",
    "trust_clock",
]

SAMPLE_ACCOUNTS = 10
# Beyond the number of every sweep.
LAST = 2**63 - 1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates say of one sweep.

    Attributes:
        stops: why it may not go on; empty where it may.
        due: accounts due, counted up to the ceilings.
        allowed: most that it may touch until it is judged again; None where its frozen plan says who.
    """

    stops: list[Stop]
    due: int
    allowed: int | None


def judge(runtime: Runtime, sweep: Row[Any], cutoff: Cutoff) -> Verdict:
    """Return what the gates say of a sweep now."""
    policy = runtime.policies[cutoff.policy]
    with _judging(runtime, policy) as (connection, found):
        # Asked for under other rules, it may well have another cutoff.
        stops = found + (other_worker_stops(policy, sweep.fingerprint) or _cutoff(runtime, connection, cutoff))
        if cutoff.plan_of is not None:  # a person has looked at exactly these accounts
            return Verdict(stops, connection.execute(count_due(cutoff, now=func.now())).scalar_one(), None)
        stops += _policy_change(connection, policy, sweep, cutoff)
        expected = _expected(connection, policy, sweep)
        most = most_by_settings(runtime.limits, expected=expected) + 1
        acts_by_partition(connection)  # or whole tables would be read to count as few as that
        due = connection.execute(count_due(cutoff, now=func.now(), most=most)).scalar_one()
        # What it has deleted itself already was there when it began; whom it has moved is there still.
        deleted = sweep.accounts if policy.name == PolicyName.PURGE else 0
        allowed = _allowances(runtime, connection, sweep.accounts + due, deleted=deleted, expected=expected)
    stops += ceiling_stops(allowed, accounts=sweep.accounts + due)
    return Verdict(stops, due, min(allowed.values()))


def judge_alone(runtime: Runtime, policy: Policy) -> list[Stop]:
    """Return why one account that a person names may not be acted on now; empty where it may.

    A person has looked at it, so only what stops any sweep is asked, and whether anything is allowed at all.
    """
    with _judging(runtime, policy) as (connection, found):
        before = connection.scalar(select_last_judged(policy.name, before=LAST))
        if before not in (None, policy.fingerprint):
            detail = (
                f"the last sweep followed {before}, and here it is {policy.fingerprint}: let a sweep be judged first"
            )
            found.append(Stop(Gate.POLICY_CHANGE, detail))
        return found + ceiling_stops(_allowances(runtime, connection, 1), accounts=1)


@contextmanager
def _judging(runtime: Runtime, policy: Policy) -> Iterator[tuple[Connection, list[Stop]]]:
    """Open a transaction to judge in; yields it, and what stops any sweep of a policy, whoever is due."""
    broker = runtime.broker_clock()
    exported = _read_exported_head(runtime)
    with transaction(runtime.engine) as connection:
        yield (
            connection,
            [
                *pause_stops(connection, policy.name),
                *_clock(runtime, connection, broker),
                *_catalog(runtime, connection),
                *([exported] if isinstance(exported, Stop) else _log(connection, exported)),
            ],
        )


def stopped_since(runtime: Runtime, cutoff: Cutoff) -> bool:
    """Say whether a gate that is quickly asked would stop a sweep that is under way."""
    broker = runtime.broker_clock()
    with transaction(runtime.engine) as connection:
        return bool(
            pause_stops(connection, cutoff.policy)
            or _clock(runtime, connection, broker)
            or _cutoff(runtime, connection, cutoff)
        )


def distrusts_clock(runtime: Runtime) -> bool:
    """Say whether the clock gate would stop a sweep now: what is found by such a clock shows nothing."""
    broker = runtime.broker_clock()
    with transaction(runtime.engine) as connection:
        return bool(_clock(runtime, connection, broker))


def comes_from_the_future(runtime: Runtime, as_of: datetime) -> bool:
    """Say whether a sweep was asked for by a clock that was ahead, and has been put right since.

    Where the clocks disagree, it may be the present one that is behind.
    """
    broker = runtime.broker_clock()
    with transaction(runtime.engine) as connection:
        now, _ = connection.execute(select_clock()).one()
    is_ahead = as_of > now + timedelta(seconds=runtime.limits.skew_seconds)
    return is_ahead and not clock_stops(runtime.limits, now=now, others=_others(broker), trusted=None)


def trust_clock(runtime: Runtime) -> datetime:
    """Return the database's clock, and remember it as the latest instant seen, unless the clock gate distrusts it."""
    broker = runtime.broker_clock()
    with transaction(runtime.engine) as connection:
        stops = _clock(runtime, connection, broker)
        now = connection.execute(read_clock()).scalar_one()
        if not stops:
            connection.execute(set_clock(now))
    if stops:
        log.warning(events.CLOCK_DISTRUSTED, details=[stop.detail for stop in stops])
    return now


def _clock(runtime: Runtime, connection: Connection, broker: datetime) -> list[Stop]:
    now, trusted = connection.execute(select_clock()).one()
    return clock_stops(runtime.limits, now=now, others=_others(broker), trusted=trusted)


def _others(broker: datetime) -> dict[str, datetime]:
    return {"this worker": datetime.now(UTC), "the broker": broker}


def _cutoff(runtime: Runtime, connection: Connection, cutoff: Cutoff) -> list[Stop]:
    return cutoff_stops(runtime.policies, cutoff, connection.execute(read_clock()).scalar_one())


def _catalog(runtime: Runtime, connection: Connection) -> list[Stop]:
    faults = catalog_faults(connection)
    try:
        runtime.check_schema()
    except InvalidConfiguration as error:
        faults.append(str(error))
    return [Stop(Gate.CATALOG, fault) for fault in faults]


def _read_exported_head(runtime: Runtime) -> Head | Stop | None:
    """Return the head that was exported last, None where there is none; a stop where it cannot be read."""
    if runtime.export_url is None:
        return None
    try:
        return exported_head(runtime.export_url)
    except (InvalidConfiguration, Unavailable, Unverified) as error:
        return Stop(Gate.LOG, f"the exported log cannot be read, so nobody knows whether the database has it: {error}")


def _log(connection: Connection, exported: Head | None) -> list[Stop]:
    """Stop where the exported log is ahead of the database: an older backup was restored, and people are back."""
    if exported is None or head_at(connection, exported.number) == exported:
        return []
    if connection.execute(select_replay(exported.digest)).first() is not None:
        return []
    present = head_now(connection)
    detail = (
        f"the exported log ends with {exported}, which the database (at {present}) does not have; was an older backup "
        "restored? see what is missing with `retention log replay`"
    )
    return [Stop(Gate.LOG, detail, numbers={"exported": str(exported), "present": str(present)})]


def _policy_change(connection: Connection, policy: Policy, sweep: Row[Any], cutoff: Cutoff) -> list[Stop]:
    before = connection.scalar(select_last_judged(policy.name, before=sweep.id))
    if before is None or before == policy.fingerprint:
        return []
    was = policy.as_before(before)
    if was is None:
        return change_stops(policy, before, newly_due=None, sample=[])
    since = Cutoff(policy.name, was.cutoff(sweep.as_of), cutoff.purge_at)
    newly_due = connection.execute(count_due(cutoff, now=func.now(), since=since)).scalar_one()
    sample = connection.execute(due_since(cutoff, since, now=func.now()).limit(SAMPLE_ACCOUNTS))
    return change_stops(policy, before, newly_due=newly_due, sample=[row.account_id for row in sample])


def _expected(connection: Connection, policy: Policy, sweep: Row[Any]) -> int | None:
    return connection.scalar(select_expected(policy.name, zone=policy.zone.key, as_of=sweep.as_of, before=sweep.id))


def _allowances(
    runtime: Runtime, connection: Connection, accounts: int, *, deleted: int = 0, expected: int | None = None
) -> dict[str, int]:
    most = enough_accounts(runtime.limits, accounts=accounts)
    counted = connection.execute(count_accounts(most=most)).scalar_one()
    return allowances(runtime.limits, all_accounts=counted + deleted, expected=expected)
