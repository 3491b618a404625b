"""Reconciling: after a sweep, look both ways by other statements than those that acted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil
from typing import Any

from sqlalchemy import Connection, Engine, Row

from models import Policies, PolicyName
from models.errors import Refused
from tasks.findings import Findings
from tasks.statements.reconcile import (
    judge_actions,
    judge_receipts,
    judge_repeated,
    judge_unreceipted,
    left_by_counter_only,
    left_by_purge,
    select_bounds,
    select_neighbours,
    select_receipts,
    select_sweep,
)
from tasks.statements.remains import (
    Reference,
    judge_dangling,
    judge_moved,
    judge_remains,
    owned,
    select_blocks,
    select_references,
)
from tasks.statements.tally import Tally
from tasks.transaction import transaction

__all__ = [
    "Reconciliation",
    "find_left",
    "find_remains",
    "looking_for_remains",
    "reconcile",
    "references_to_accounts",
    "verify_batch",
]

RECEIPTS_AT_ONCE = 100
# 128 MiB of a table are read by one statement. By one reconciliation 256 KiB; but of a table whose rows no batch can
# look up, a block for sixteen accounts, 512 MiB at most: what is read stays in proportion to what was deleted.
BLOCKS_AT_ONCE, BLOCKS_AT_LEAST, BLOCKS_AT_MOST = 16_384, 32, 65_536
ACCOUNTS_A_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found, and how far one has come.

    Attributes:
        findings: a sentence for each fault, with its count and up to ten numbers; empty when all is well.
        reached: the last receipt judged; None before the first.
        whole: whether there is nothing further to judge.
    """

    findings: list[str]
    reached: int | None
    whole: bool


def reconcile(
    engine: Engine,
    policies: Policies,
    sweep_id: int,
    *,
    drained: bool,
    after: int | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Reconciliation:
    """Look whether a sweep left what was due, touched what was not, or logged other than it did.

    Reads only, in pages of receipts, each in a transaction of its own: what a batch did and logged was committed
    at once and stays, so one page's snapshot is as good as another's. So it can also be interrupted between pages.

    Args:
        engine: where to look.
        policies: days, years and zones of the law.
        sweep_id: the sweep, which acts no more.
        drained: whether its last claim found nothing. Only then is what is left judged; a sweep that failed, or
            that was about one account, leaves others with good reason.
        after: the receipt up to which it was judged before, inclusive; None to begin.
        enough: asked after each page; once it says so, the rest is left to the next time.

    Raises:
        Refused: there is no such sweep.
        Unavailable: the database did not answer, or not in time; nothing is known.
    """
    findings = Findings(f"sweep {sweep_id}")
    with _reading(engine) as connection:
        sweep = _load(connection, sweep_id=sweep_id)
        _judge_cutoff(connection, policies, sweep, findings)
        references = references_to_accounts(connection)
        if drained:
            _judge_left(connection, policies, sweep, findings)
    for page in _pages(engine, sweep_id, after):
        with _reading(engine) as connection:
            _judge_receipts(connection, policies, sweep, page.receipts, findings)
            if sweep.policy == PolicyName.PURGE:
                looking = judge_remains(partitioned=_are_partitioned(references))
                findings.judge(connection, looking, receipts=list(page.receipts))
            findings.judge(connection, judge_unreceipted(page.earlier, page.later))
        after = page.receipts[-1] if page.receipts else after
        if enough() and not page.final:
            return Reconciliation(findings.sentences(), after, whole=False)
    if sweep.policy == PolicyName.PURGE:
        for reference in references:
            _judge_dangling(engine, sweep, reference, findings)
    return Reconciliation(findings.sentences(), after, whole=True)


def find_left(connection: Connection, policies: Policies, sweep_id: int) -> list[str]:
    """Return what a sweep left that was due, in the snapshot of the caller's transaction; as `reconcile` says.

    In a REPEATABLE READ transaction in which the acting side sees nothing due, a finding cannot be the doing of
    somebody in between.

    Raises:
        Refused: there is no such sweep.
    """
    findings = Findings(f"sweep {sweep_id}")
    _judge_left(connection, policies, _load(connection, sweep_id=sweep_id), findings)
    return findings.sentences()


def verify_batch(connection: Connection, policies: Policies, receipt_id: int) -> list[str]:
    """Return what is wrong with one batch, as `reconcile` says: what it touched, what remains, what it logged.

    In the batch's own transaction it judges before anything is final.

    Raises:
        Refused: there is no such receipt.
    """
    sweep = _load(connection, receipt_id=receipt_id)
    findings = Findings(f"receipt {receipt_id}")
    _judge_receipts(connection, policies, sweep, [receipt_id], findings)
    findings.judge(connection, looking_for_remains(connection, PolicyName(sweep.policy)), receipts=[receipt_id])
    return findings.sentences()


def looking_for_remains(connection: Connection, policy: PolicyName) -> Tally:
    """Return what `find_remains` executes: what a batch of this policy may have left that it had to take.

    Of purged accounts, a look into each table that, by the live catalog, refers to them; of moved ones, a look at them
    and their logins.
    """
    references = references_to_accounts(connection)
    partitioned = _are_partitioned(references)
    if policy == PolicyName.COUNTER_ONLY:
        return judge_moved(partitioned=partitioned)
    return judge_remains(references, partitioned=partitioned)


def find_remains(connection: Connection, looking: Tally, receipt_id: int) -> list[str]:
    """Return what a batch has left that it had to take, before it is committed.

    In the batch's own transaction this costs a tenth of what it does afterwards, when all that was changed lies
    scattered about the disk; and what it finds can still be undone.
    """
    findings = Findings(f"receipt {receipt_id}")
    findings.judge(connection, looking, receipts=[receipt_id])
    return findings.sentences()


def references_to_accounts(connection: Connection) -> list[Reference]:
    """Return the foreign keys that lead to accounts, as the live catalog has them."""
    return owned(Reference(*row) for row in connection.execute(select_references()))


def _are_partitioned(references: Sequence[Reference]) -> bool:
    return any(each.is_partitioned for each in references)


def _reading(engine: Engine) -> AbstractContextManager[Connection]:
    return transaction(engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True))


def _load(connection: Connection, **which: int) -> Row[Any]:
    sweep = connection.execute(select_sweep(**which)).one_or_none()
    if sweep is None:
        asked = ", ".join(f"{name.removesuffix('_id')} {number}" for name, number in which.items())
        raise Refused(f"there is no {asked} to reconcile; look with `retention sweeps`")
    return sweep


def _judge_cutoff(connection: Connection, policies: Policies, sweep: Row[Any], findings: Findings) -> None:
    purge_at, window_at = connection.execute(select_bounds(policies, sweep.as_of)).one()
    if sweep.cutoff != (purge_at if sweep.policy == PolicyName.PURGE else window_at):
        findings.add("cutoff is not the one that the law names", 1, [])


def _judge_left(connection: Connection, policies: Policies, sweep: Row[Any], findings: Findings) -> None:
    purge_at, window_at = connection.execute(select_bounds(policies, sweep.as_of)).one()
    if sweep.policy == PolicyName.PURGE:
        findings.judge(connection, left_by_purge(sweep.as_of, purge_at=purge_at))
    else:
        findings.judge(connection, left_by_counter_only(sweep.as_of, window_at=window_at, purge_at=purge_at))


def _judge_receipts(
    connection: Connection,
    policies: Policies,
    sweep: Row[Any],
    receipts: Sequence[int],
    findings: Findings,
) -> None:
    policy = policies[sweep.policy]
    findings.judge(connection, judge_receipts(receipts, policy))
    findings.judge(
        connection,
        judge_actions(receipts, policy, sweep_id=sweep.id, as_of=sweep.as_of, cutoff=sweep.cutoff),
    )
    findings.judge(connection, judge_repeated(receipts, sweep_id=sweep.id))


def _judge_dangling(engine: Engine, sweep: Row[Any], reference: Reference, findings: Findings) -> None:
    """Read one stretch of a table through; day after day another, so that each comes round."""
    with _reading(engine) as connection:
        size, partitions = connection.execute(select_blocks(reference)).one()
    proportionate = 0 if reference.names_the_account else sweep.accounts // ACCOUNTS_A_BLOCK
    # A stretch is read of each partition.
    length = max(1, max(BLOCKS_AT_LEAST, min(proportionate, BLOCKS_AT_MOST)) // partitions)
    at_once = max(1, BLOCKS_AT_ONCE // partitions)
    stretches = ceil(size / length) or 1
    first = sweep.as_of.toordinal() % stretches * length
    last = min(first + length, size)
    for start in range(first, last, at_once):
        with _reading(engine) as connection:
            blocks = range(start, min(start + at_once, last))
            findings.judge(connection, judge_dangling(reference, blocks=blocks))


@dataclass(frozen=True, slots=True)
class _Page:
    """Some receipts of a sweep, between two others of any sweep; None where there are none."""

    receipts: list[int]
    earlier: int | None
    later: int | None
    final: bool


def _pages(engine: Engine, sweep_id: int, before: int | None) -> Iterator[_Page]:
    """Yield a sweep's receipts behind `before` page by page.

    Together the pages reach from the last receipt before the sweep's to the first behind them, without overlap; a
    sweep without receipts has one empty page, behind the last receipt of all.
    """
    final = False
    while not final:
        with _reading(engine) as connection:
            page = select_receipts(sweep_id, after=before, limit=RECEIPTS_AT_ONCE)
            receipts = list(connection.scalars(page))
            last = receipts[-1] if receipts else before
            first = receipts[0] if receipts else last
            earlier, later = connection.execute(select_neighbours(first, last)).one()
        final = len(receipts) < RECEIPTS_AT_ONCE
        yield _Page(receipts, earlier if before is None else before, later if final else last, final)
        before = last
