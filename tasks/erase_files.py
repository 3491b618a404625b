"""Erase the files that purges left in object storage, a portion at a time."""

from collections import Counter
from time import monotonic

import structlog
from celery import shared_task
from sqlalchemy import Connection, Engine

from tasks import events
from tasks.base import MINUTELY, RETRYING, RetentionTask, Runtime
from tasks.rules.lane import require_lane
from tasks.rules.patience import distance
from tasks.rules.storage_key import IN_USE, KeyFault, fault_of, path_under, spellings
from tasks.statements.claim import take_lane
from tasks.statements.files import bring_forward, claim_files, forget_files, postpone_file, refuse_file, select_used
from tasks.store import ALREADY_GONE, ERASED, Store
from tasks.transaction import transaction

__all__ = ["erase_files", "erase_portion", "wake_erasers"]

PORTION_FILES = 100
PATIENCE_SECONDS = 5.0
NO_SWEEP = 0  # sweeps are numbered from 1, so that these lanes are nobody else's

log = structlog.get_logger()


def wake_erasers(runtime: Runtime) -> None:
    """Wake every eraser, where files are ours to erase; one that is awake already notices and lets the message go."""
    for lane in range(runtime.drains if runtime.documents_url else 0):
        erase_files.apply_async((lane,), **MINUTELY)


@shared_task(bind=True, base=RetentionTask, name="retention.erase_files", **RETRYING)
def erase_files(self: RetentionTask, lane: int = 0) -> None:
    """Erase files until none is to be tried now or the time is up; then go on later.

    Where no URL is set, or a run erased nothing, the next minute's message goes on: a store that is away is not
    asked without end.
    """
    require_lane(lane)
    url = self.runtime.documents_url
    if url is None:
        return
    done: Counter[str] = Counter()
    time_is_up = self.runtime.patience()
    while not time_is_up():
        began = monotonic()
        outcomes = erase_portion(self.runtime.engine, url, lane=lane)
        if not outcomes:
            return
        done += outcomes
        log.info(events.FILES_TRIED, lane=lane, seconds=round(monotonic() - began, 3), outcomes=dict(outcomes))
    if done[ERASED] or done[ALREADY_GONE]:
        erase_files.apply_async((lane,), **MINUTELY)


def erase_portion(engine: Engine, url: str, *, lane: int = 0, most: int = PORTION_FILES) -> Counter[str]:
    """Erase up to `most` files that are to be tried now, in one transaction.

    A worker that dies on the way leaves the rows as they were; the files it erased are then gone already.

    Returns:
        How often what came of a file: `erased`, `already_gone`, `in_use`, why it is refused, or an error's kind;
        empty where nothing was to be tried, or another eraser is on this lane.

    Raises:
        Unavailable: see `transaction`.
    """
    with transaction(engine) as connection:
        if not connection.scalar(take_lane(NO_SWEEP, lane)):
            return Counter()
        connection.execute(bring_forward(), {"most": most})
        files = connection.execute(claim_files(), {"most": most}).all()
        outcomes = _judge(connection, {each.id: each.storage_key for each in files}, url)
        awaited = {each.id: path_under(each.storage_key, url) for each in files if each.id not in outcomes}
        outcomes |= _erase(url, awaited)
        _write_down(connection, outcomes, {each.id: each.attempts for each in files})
    return Counter(outcomes.values())


def _judge(connection: Connection, keys: dict[int, str], url: str) -> dict[int, str]:
    """Return the files that may not be erased: why they are refused, or `in_use`.

    A file that another document still names is that document's, too, whoever's it is, as when somebody came back
    and registered anew. Its row waits: it is tried again until the other document is gone.
    """
    outcomes: dict[int, str] = {file: fault for file, key in keys.items() if (fault := fault_of(key, url))}
    ways = {file: spellings(key, url) for file, key in keys.items() if file not in outcomes}
    used = set(connection.scalars(select_used(way for each in ways.values() for way in each)))
    return outcomes | {file: IN_USE for file, each in ways.items() if not used.isdisjoint(each)}


def _erase(url: str, paths: dict[int, str]) -> dict[int, str]:
    if not paths:
        return {}
    try:
        store = Store(url)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like; its kind is kept with each file
        return dict.fromkeys(paths, type(error).__name__)
    return dict(zip(paths, store.erase(list(paths.values()), patience_seconds=PATIENCE_SECONDS), strict=True))


def _write_down(connection: Connection, outcomes: dict[int, str], attempts: dict[int, int]) -> None:
    gone = [file for file, outcome in outcomes.items() if outcome in (ERASED, ALREADY_GONE)]
    refused = [{"file": file, "kind": str(fault)} for file, fault in outcomes.items() if fault in set(KeyFault)]
    settled = {*gone, *(each["file"] for each in refused)}
    failed = [
        {"file": file, "kind": kind, "after": distance(attempts[file] + 1)}
        for file, kind in outcomes.items()
        if file not in settled
    ]
    if gone:
        connection.execute(forget_files(gone))
    if refused:
        connection.execute(refuse_file(), refused)
    if failed:
        connection.execute(postpone_file(), failed)
