"""What auditors ask, and the worker for them: verifying, exporting, certifying, and replaying after a restore."""

from filled import Filled
from logs import a_receipt, unguarded
from sweeping import LONG_INVALID, LONG_WITHDRAWN, NOW, closable, purgeable

from models import PolicyName
from models.proof import GENESIS, Head
from tasks.certify import certify
from tasks.chain import head_now, snapshot
from tasks.export import export_log
from tasks.exported import exported_receipts
from tasks.lineage import resume_point
from tasks.replay import compare, replay
from tasks.transaction import transaction
from tasks.verify import verify, verify_within

__all__ = ["MAY", "SCENARIOS"]

SAYS = {"actor": "auditor", "reason": "restored"}


def the_log_is_verified(filled: Filled) -> None:
    """As a whole, then what is new and a part of the rest; by a head that it does not have; and damaged."""
    engine = filled.here.engine
    assert verify(lambda: engine, jobs=1).broken is None
    filled.hand.carry_out(filled.hand.request(PolicyName.COUNTER_ONLY))
    filled.hand.do("verify")
    assert verify(lambda: engine, again=1000, jobs=1).broken is None
    assert verify(lambda: engine, jobs=1, known=[Head(5, GENESIS)]).broken is not None
    with transaction(engine) as connection:
        unguarded(connection, "DELETE FROM receipts WHERE number = 700")
        assert verify_within(connection).broken is not None
        connection.rollback()


def the_log_is_exported(filled: Filled) -> None:
    """All of it, then what is new."""
    url = str(filled.directory / "log")
    done = export_log(filled.here.engine, url)
    assert export_log(filled.here.engine, url).receipts == 0
    assert compare(filled.here.engine, exported_receipts(url, after=done.receipts - 20)).is_the_same


def an_action_is_certified(filled: Filled) -> None:
    """One of the last receipts, and one in the middle of the log up to a head soon after it."""
    ((newest,),) = filled.hand.rows("SELECT max(id) FROM actions")
    assert certify(filled.here.engine, newest)
    assert certify(filled.here.engine, 3001, to=760)


def a_log_is_replayed(filled: Filled) -> None:
    """Take up what a backup knew nothing of: one deletion and one move."""
    engine = filled.here.engine
    with engine.begin() as connection:
        accounts = {"purge": purgeable(connection), "counter_only": closable(connection)}
    with snapshot(engine) as connection:
        head = head_now(connection)
    events = {"purge": LONG_INVALID, "counter_only": LONG_WITHDRAWN}
    log = [
        a_receipt(action, {account_id: events[action]}, NOW, head, sweep_id=1)
        for action, account_id in accounts.items()
    ]
    assert compare(engine, log).receipts == 2
    done = replay(engine, filled.here.policies, log, **SAYS)
    assert (done.to_delete.sample, done.to_move.sample) == ([accounts["purge"]], [accounts["counter_only"]])
    with snapshot(engine) as connection:
        (receipt, _), *_ = log
        assert resume_point(connection, str(filled.directory / "log"), Head(receipt.number, receipt.digest))


SCENARIOS = (the_log_is_verified, the_log_is_exported, an_action_is_certified, a_log_is_replayed)
# Who reads all of the log, by whom, and why.
READERS = {
    "tasks.chain._with_actions": "every action is held against its receipt, a portion at a time",
    "tasks.chain.receipts": "every receipt is held against the one before",
    "tasks.examine.examine": "of a chain that broke, looks for the receipts that follow, wherever they are",
    "tasks.examine.find_stray": "asks of every action whether its receipt is there",
}
MAY = {
    the_log_is_verified: READERS,
    the_log_is_exported: READERS,
    a_log_is_replayed: {"tasks.chain.receipts": "looks for the last receipt that database and export have in common"},
}
