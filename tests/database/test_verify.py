"""Whatever is changed in the log afterwards is found, named, and found at its lowest place."""

from functools import partial

import pytest
from logs import a_log, unguarded
from sqlalchemy import select

from models import ChainHead, Heartbeat, PolicyName
from models.proof import GENESIS, Head
from tasks.verify import verify, verify_within
from worker.database import connect


@pytest.fixture
def log(engine, policies):
    """Five receipts: of 3, 3 and 1 accounts moved, of 3 and 2 purged."""
    a_log(engine, policies, 7)
    a_log(engine, policies, 5, policy=PolicyName.PURGE)


@pytest.fixture
def verified(database_url):
    """Verify as the command does, by so many processes."""

    def run(jobs=1, known=()):
        return verify(partial(connect, database_url, pooled=False), jobs=jobs, known=known)

    return run


def head_of(engine):
    with engine.connect() as connection:
        number, digest = connection.execute(select(ChainHead.number, ChainHead.digest)).one()
    return Head(number, digest)


@pytest.mark.usefixtures("log")
def test_an_untouched_log_is_whole_and_the_instant_is_written_down(engine, verified):
    found = verified(known=[head_of(engine), Head(0, GENESIS)])
    assert (found.receipts, found.actions, found.head, found.broken) == (5, 12, head_of(engine), None)
    with engine.connect() as connection:
        assert connection.scalar(select(Heartbeat.at).where(Heartbeat.source == "verify"))


def test_a_log_without_any_receipt_is_whole(verified):
    found = verified()
    assert (found.receipts, found.actions, found.head, found.broken) == (0, 0, Head(0, GENESIS), None)


def renumber(receipt, number):
    return f"UPDATE receipts SET number = {number} WHERE number = {receipt}"


def forged(number, previous):
    return f"""
    INSERT INTO receipts (number, sweep_id, action, accounts, rows, acted_at, root, previous, digest)
    SELECT {number}, sweep_id, action, accounts, rows, acted_at, root, {previous}, sha256('forged') FROM receipts
     WHERE number = 1
    """


def set_action(what, action="4"):
    return f"UPDATE actions SET {what} WHERE id = {action}"


def set_receipt(what, number=4):
    return f"UPDATE receipts SET {what} WHERE number = {number}"


# Actions 4, 5 and 6 are those of receipt 2.
REST = "action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest"
COLUMNS = f"id, {REST}"
COPIED = f"INSERT INTO actions ({COLUMNS}) OVERRIDING SYSTEM VALUE SELECT 99, {REST} FROM actions WHERE id = 4"
STRAY = COPIED.replace("SELECT 99, " + REST, "SELECT 99, " + REST.replace("receipt_id", "999"))
REMOVED = (
    "DELETE FROM actions WHERE receipt_id = (SELECT id FROM receipts WHERE number = 2)",
    "DELETE FROM receipts WHERE number = 2",
)
HEAD_MOVED_TO_LAST = """
UPDATE chain_heads SET number = r.number, previous = r.previous, digest = r.digest,
       actions = (SELECT sum(accounts) FROM receipts)
  FROM receipts r WHERE r.number = (SELECT max(number) FROM receipts)
"""
SAME_TEXT = '{"accounts=3,login_sessions": 6}'  # leads to the same canonical text as two tables do
DIGEST_OF_ACTION = """sha256(convert_to(concat_ws('|', 'retention.action.v1', id, action, account_id + 1,
    (extract(epoch from event_at) * 1000000)::bigint, (extract(epoch from due_at) * 1000000)::bigint,
    (extract(epoch from acted_at) * 1000000)::bigint, sweep_id, receipt_id), 'UTF8'))"""
AFTER_LAST = "(SELECT digest FROM chain_heads)"
DONE = [
    ([set_action("account_id = account_id + 1")], ("changed", 2, 4)),
    ([set_action("event_at = '294276-12-31'")], ("changed", 2, 4)),
    ([set_action("event_at = '-infinity'")], ("changed", 2, 4)),
    ([set_action("account_id = 1, digest = sha256('1')")], ("changed", 2, 4)),
    ([set_action(f"account_id = account_id + 1, digest = {DIGEST_OF_ACTION}")], ("changed", 2, None)),
    (["DELETE FROM actions WHERE id = 4"], ("missing", 2, None)),
    ([set_action("receipt_id = 999")], ("missing", 2, None)),
    ([COPIED], ("inserted", 2, 99)),
    ([STRAY], ("inserted", None, 99)),
    ([set_action("digest = (SELECT digest FROM actions WHERE id = 5)")], ("reordered", 2, 4)),
    ([set_action("id = 99"), set_action("id = 4", "5"), set_action("id = 5", "99")], ("reordered", 2, 4)),
    ([set_receipt("rows = rows || '{\"messages\": 3}'")], ("changed", 4, None)),
    ([set_receipt("rows = jsonb_set(rows, '{accounts}', '\"3\"')")], ("changed", 4, None)),
    ([set_receipt(f"rows = '{SAME_TEXT}'", 1)], ("changed", 1, None)),
    ([set_receipt("rows = '[]'")], ("changed", 4, None)),
    ([set_receipt(f"rows = '{{\"accounts\": {'9' * 5000}}}'")], ("changed", 4, None)),
    ([set_receipt("acted_at = 'infinity'")], ("changed", 4, None)),
    ([set_receipt("replays = digest")], ("changed", 4, None)),
    (REMOVED, ("missing", 2, None)),
    ([*REMOVED, *(renumber(number, number - 1) for number in (3, 4, 5))], ("missing", 2, None)),
    ([renumber(2, 99), renumber(3, 2), renumber(99, 3)], ("reordered", 2, None)),
    ([renumber(2, 99)], ("reordered", 2, None)),
    ([renumber(1, -5)], ("inserted", -5, None)),
    (
        [*(renumber(number, number + 1) for number in (5, 4, 3, 2)), forged(2, "sha256('any')")],
        ("inserted", 2, None),
    ),
    ([forged(6, AFTER_LAST)], ("inserted", 6, None)),
    ([forged(6, AFTER_LAST), HEAD_MOVED_TO_LAST], ("changed", 6, None)),
    ([forged(6, "sha256('another')"), HEAD_MOVED_TO_LAST], ("changed", 6, None)),
    (["DELETE FROM receipts WHERE number > 3"], ("truncated", 4, None)),
    (["DELETE FROM receipts", "DELETE FROM actions"], ("truncated", 1, None)),
    (["DELETE FROM chain_heads"], ("missing", 6, None)),
    (["UPDATE chain_heads SET actions = actions + 1"], ("changed", 5, None)),
    (["UPDATE chain_heads SET previous = digest"], ("changed", 5, None)),
    (["UPDATE chain_heads SET number = 4"], ("inserted", 5, None)),
    ([set_action("account_id = 1", "12"), set_receipt("accounts = 9", 3)], ("changed", 3, None)),
]


@pytest.mark.usefixtures("log")
def test_what_was_done_to_the_log_is_told_at_its_lowest_place(engine):
    for statements, expected in DONE:
        with engine.connect() as connection, connection.begin() as undone:
            unguarded(connection, *statements)
            broken = verify_within(connection).broken
            undone.rollback()
        assert broken is not None, statements
        assert (broken.kind, broken.receipt, broken.action) == expected, (statements, broken)


TRUNCATED = (
    "DELETE FROM actions USING receipts WHERE receipt_id = receipts.id AND number > 3",
    "DELETE FROM receipts WHERE number > 3",
    HEAD_MOVED_TO_LAST,
)


@pytest.mark.usefixtures("log")
def test_a_tail_cut_off_with_the_head_moved_is_found_by_a_head_from_elsewhere(engine, verified):
    known = head_of(engine)
    with engine.begin() as connection:
        unguarded(connection, *TRUNCATED)
    assert verified().broken is None
    broken = verified(known=[known]).broken
    assert (broken.kind, broken.receipt) == ("truncated", 4)
    assert str(known) in broken.detail


@pytest.mark.usefixtures("log")
def test_a_history_written_anew_is_found_by_a_head_from_elsewhere(engine, policies, verified):
    known = head_of(engine)
    with engine.begin() as connection:
        unguarded(connection, *TRUNCATED)
    a_log(engine, policies, 9)
    assert verified().broken is None
    broken = verified(known=[known]).broken
    assert (broken.kind, broken.receipt) == ("changed", 5)


@pytest.mark.usefixtures("log")
def test_several_processes_find_what_one_finds(engine, verified, monkeypatch):
    monkeypatch.setattr("tasks.verify.RANGE_ACTIONS", 3)
    assert verified(jobs=2) == verified(jobs=1)
    with engine.begin() as connection:
        unguarded(connection, set_action("account_id = 0", "12"), set_action("account_id = 0", "7"))
    assert verified(jobs=2).broken == verified(jobs=1).broken
    assert verified(jobs=2).broken.receipt == 3


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.usefixtures("log")
def test_a_number_that_no_chain_has_does_not_make_the_verification_endless(engine, verified, jobs):
    with engine.begin() as connection:
        unguarded(connection, forged(2**63 - 1, AFTER_LAST), HEAD_MOVED_TO_LAST)
    broken = verified(jobs=jobs).broken
    assert (broken.kind, broken.receipt) == ("missing", 6)


@pytest.mark.usefixtures("log")
def test_each_range_is_held_against_the_one_before(engine, verified, monkeypatch):
    monkeypatch.setattr("tasks.verify.RANGE_ACTIONS", 1)
    for statements, expected in DONE:
        with engine.connect() as connection, connection.begin() as undone:
            unguarded(connection, *statements)
            broken = verify_within(connection).broken
            undone.rollback()
        assert (broken.kind, broken.receipt, broken.action) == expected, (statements, broken)


@pytest.mark.usefixtures("log")
def test_what_is_appended_meanwhile_is_no_break(engine, policies, verified):
    head = head_of(engine)
    spans = []

    def append(span, _):
        if not spans:
            a_log(engine, policies, 4)
        spans.append(span)

    found = verify(lambda: engine, progress=append)
    assert (found.head, found.broken, sum(span.actions for span in spans)) == (head, None, 12)
    assert verified().receipts == 7
