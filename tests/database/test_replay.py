"""After a restore, an exported log says what must not exist: it is deleted again, and the log takes it up."""

from functools import partial

import pytest
from backup import Backup, exported
from builders import a_hold, an_account, dependents, everything_owned
from sqlalchemy import text
from sweeping import COUNTER_ONLY, PURGE, closable, purgeable, run_sweep

from models.errors import Refused
from tasks import pauses
from tasks.reconcile import reconcile
from tasks.replay import compare, replay
from tasks.verify import verify
from worker.database import connect

WHO = {"actor": "auditor", "reason": "restored the backup of 1 May"}


@pytest.fixture
def restored(engine, policies):
    """A database restored from a backup made before a purge and a move: (exported log, purged, moved)."""
    with engine.begin() as connection:
        purged, moved, kept = purgeable(connection), closable(connection), an_account(connection)
        for account_id in (purged, moved, kept):
            dependents(connection, account_id)
    backup = Backup(engine)
    for name in (PURGE, COUNTER_ONLY):
        run_sweep(engine, policies, name)
    log = exported(engine)
    after = owned(engine)
    backup.restore()
    assert owned(engine) != after
    return log, purged, moved, after


def owned(engine):
    with engine.connect() as connection:
        return everything_owned(connection)


def state(engine, account_id):
    with engine.connect() as connection:
        row = connection.execute(text("SELECT state, email FROM accounts WHERE id = :id"), {"id": account_id})
        return row.one_or_none()


def test_a_comparison_names_what_is_missing_and_changes_nothing(engine, restored):
    log, purged, moved, _ = restored
    found = compare(engine, log)
    assert (found.receipts, found.actions) == (2, 2)
    assert (found.to_delete.sample, found.to_move.sample) == ([purged], [moved])
    assert state(engine, purged) is not None
    assert exported(engine) == []


def test_a_replay_deletes_again_and_takes_the_actions_up_into_a_linked_chain(engine, database_url, policies, restored):
    log, purged, moved, after = restored
    replay(engine, policies, log, **WHO)
    assert state(engine, purged) is None
    assert state(engine, moved) == ("counter_only", None)
    assert owned(engine) == after
    assert compare(engine, log).is_the_same
    taken_up = exported(engine)
    assert [receipt.replays for receipt, _ in taken_up] == [receipt.digest for receipt, _ in log]
    for name in ("account_id", "event_at", "due_at", "acted_at", "action"):
        ours, theirs = ([getattr(line, name) for _, lines in each for line in lines] for each in (taken_up, log))
        assert ours == theirs
    assert (
        verify(partial(connect, database_url, pooled=False), jobs=1, known=[], progress=lambda *_: None).broken is None
    )
    with engine.connect() as connection:
        sweeps = connection.execute(text("SELECT id, status, actor, reason FROM sweeps ORDER BY id")).all()
    assert {sweep[1:] for sweep in sweeps} == {("done", "auditor", f"replay of an exported log: {WHO['reason']}")}
    for sweep in sweeps:
        assert reconcile(engine, policies, sweep.id, drained=False).findings == []


def test_a_second_replay_does_nothing(engine, policies, restored):
    replay(engine, policies, restored[0], **WHO)
    before = exported(engine)
    assert replay(engine, policies, restored[0], **WHO).is_the_same
    assert exported(engine) == before


def test_a_replay_that_was_interrupted_is_gone_on_with(engine, policies, restored):
    log, _, _, after = restored
    replay(engine, policies, log[:1], **WHO)
    assert compare(engine, log).receipts == 1
    replay(engine, policies, log, **WHO)
    assert owned(engine) == after


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job_seekings SET status = 'valid', invalidated_at = NULL WHERE account_id = :id",
        "UPDATE job_seekings SET invalidated_at = invalidated_at + interval '1 microsecond' WHERE account_id = :id",
    ],
)
def test_an_account_that_is_another_now_is_shown_and_left(engine, policies, restored, change):
    log, purged, _, _ = restored
    with engine.begin() as connection:
        connection.execute(text(change), {"id": purged})
    done = replay(engine, policies, log, **WHO)
    assert (done.differing.sample, done.to_delete.many) == ([purged], 0)
    assert state(engine, purged) is not None
    assert compare(engine, log).is_the_same


def test_an_account_that_somebody_holds_stays_and_is_shown(engine, policies, restored):
    log, purged, moved, _ = restored
    with engine.begin() as connection:
        for account_id in (purged, moved):
            a_hold(connection, account_id)
    assert replay(engine, policies, log, **WHO).held.sample == [purged, moved]
    assert state(engine, purged) is not None
    assert state(engine, moved).state == "withdrawn"


def test_a_person_who_came_back_after_the_restore_is_left_alone(engine, policies, restored):
    log, _, moved, _ = restored
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE accounts SET state = 'active', withdrawn_at = NULL WHERE id = :id"), {"id": moved}
        )
    replay(engine, policies, log, **WHO)
    assert state(engine, moved).state == "active"


def test_a_replay_waits_until_a_paused_policy_is_resumed(engine, policies, restored):
    log, purged, _, after = restored
    pauses.pause(engine, PURGE, actor="sato", reason="look first")
    with pytest.raises(Refused, match="paused by sato"):
        replay(engine, policies, log, **WHO)
    assert state(engine, purged) is not None
    pauses.resume(engine, PURGE, actor="sato", reason="go on")
    replay(engine, policies, log, **WHO)
    assert owned(engine) == after
