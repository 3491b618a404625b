"""`retention quarantine act`: what it says of an account that was done, whatever fails afterwards."""

import os
import signal
from contextlib import ExitStack, closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from builders import an_account
from by_hand import ByHand
from chaos.gate import Outcome, Point, gate
from giants import EVENTS
from processes import Stack, until
from sqlalchemy import text

from models.errors import OutcomeUnknownError
from tasks import alone

ASIDE = """
INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
SELECT id, 'purge', 3, 'SQLSTATE 57014', now(), now(), now() FROM accounts
"""
SAYS = ("--actor", "mori", "--reason", "too large")


@pytest.fixture
def aside(engine):
    """The number of an account that is due for the purge and was set aside."""
    with engine.begin() as connection:
        number = an_account(connection, **EVENTS["purge"])
        connection.execute(text(ASIDE))
    return number


@pytest.fixture
def broker(broker_url, tmp_path):
    """A way to the broker that a test may take away, and the URL that goes by it."""
    socket, number = broker_url.removeprefix("redis+socket://").split("?")
    way = tmp_path / "broker"
    way.symlink_to(socket)
    return way, f"redis+socket://{way}?{number}"


@pytest.fixture
def proxied(database_url, broker, tmp_path):
    """A deployment whose way to the database is a gate: (gate, deployment)."""
    with gate(database_url) as proxy:
        stack = Stack(proxy.url, broker[1], tmp_path)
        yield proxy, stack
        stack.stop()


def rows(engine, query, **values):
    with engine.connect() as connection:
        return connection.execute(text(query), values).all()


def receipts(engine):
    """Return all receipts and the heads that they made: (number, head)."""
    return [
        (id_, f"{number}:{digest.hex()}")
        for id_, number, digest in rows(engine, "SELECT id, number, digest FROM receipts")
    ]


def test_what_is_done_is_done_without_the_broker_and_a_worker_reconciles_it(
    engine, database_url, broker_url, aside, broker, proxied
):
    proxy, stack = proxied
    way, _ = broker

    def away():
        way.unlink()
        return Outcome.PASSED

    proxy.arm(Point.COMMIT, away)
    acted = stack.retention("quarantine", "act", str(aside), *SAYS, "--json")
    assert (acted.code, receipts(engine)) == (0, [(acted.json["receipt_id"], acted.json["head"])])
    sweep_id = acted.json["sweep_id"]
    assert f"sweep {sweep_id} is left to a worker, which reconciles it: the broker does not answer" in acted.err
    with closing(ByHand(database_url, broker_url)) as hand:
        assert hand.row(sweep_id).status == "running"
        hand.do("drain", sweep_id, 0)
        hand.do("reconcile", sweep_id)
        assert hand.row(sweep_id).status == "done"


def test_what_an_account_is_set_aside_for_can_be_said(engine, aside, stack):
    with engine.begin() as connection:
        connection.execute(text(ASIDE.replace("purge", "counter_only")))
    refused = stack.retention("quarantine", "act", str(aside), *SAYS)
    assert (refused.code, refused.out, receipts(engine)) == (3, "", [])
    assert f"account {aside} is set aside for counter_only and purge" in refused.err
    acted = stack.retention("quarantine", "act", str(aside), "--policy", "purge", *SAYS, "--json", check=True)
    assert acted.json["policy"] == "purge"


def test_who_breaks_off_after_the_commit_has_been_told_that_it_is_done(engine, aside, proxied, tmp_path):
    proxy, stack = proxied
    with ExitStack() as until_the_end:

        def lock():
            until(partial(receipts, engine), "it is committed")
            until_the_end.enter_context(engine.begin()).exec_driver_sql("LOCK TABLE sweeps")
            return Outcome.PASSED

        proxy.arm(Point.ANSWER, lock)
        process = stack.start("worker", "quarantine", "act", str(aside), *SAYS, log="act")
        told = until(lambda: _told(tmp_path / "act.log"), "it is told")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    ((receipt, head),) = receipts(engine)
    assert f"receipt {receipt}" in told
    assert head in told
    assert "a worker" in told


@pytest.mark.parametrize("arrived", [True, False], ids=["commit arrived", "commit did not arrive"])
def test_what_became_of_a_commit_that_was_not_answered_is_looked_up(engine, aside, proxied, arrived):
    proxy, stack = proxied
    proxy.arm(Point.COMMIT, lambda: Outcome.UNANSWERED if arrived else Outcome.CUT)
    acted = stack.retention("quarantine", "act", str(aside), *SAYS, "--json")
    if arrived:
        assert (acted.code, receipts(engine)) == (0, [(acted.json["receipt_id"], acted.json["head"])])
    else:
        assert (acted.code, acted.out, receipts(engine)) == (5, "", [])
        assert "the commit was not carried out: nothing was changed" in acted.err


def test_who_breaks_off_during_the_commit_is_told_that_it_was_too_late(engine, aside, proxied, tmp_path):
    proxy, stack = proxied
    started = []

    def interrupt():
        until(lambda: started, "the test knows the process")
        os.kill(started[0].pid, signal.SIGINT)
        return Outcome.PASSED

    proxy.arm(Point.COMMIT, interrupt)
    started.append(stack.start("worker", "quarantine", "act", str(aside), *SAYS, log="act"))
    code = started[0].wait(60)
    ((receipt, head),) = receipts(engine)
    told = (tmp_path / "act.log").read_text()
    assert (code, f"receipt {receipt}" in told, head in told) == (0, True, True)


def test_where_nobody_answers_what_became_of_a_commit_its_receipt_is_named(
    engine, aside, proxied, broker_url, monkeypatch
):
    proxy, _ = proxied

    def away():
        proxy.close()
        return Outcome.UNANSWERED

    monkeypatch.setattr(alone, "LOOKS_AFTER_SECONDS", (0, 0.1))
    proxy.arm(Point.COMMIT, away)
    with closing(ByHand(proxy.url, broker_url)) as hand, pytest.raises(OutcomeUnknownError) as caught:
        alone.act_alone(hand.runtime, aside, actor="mori", reason="too large", patience=timedelta(minutes=1))
    receipt, _ = until(partial(receipts, engine), "it is committed")[0]
    assert f"`retention log list --account {aside}` shows receipt {receipt}" in str(caught.value)


def _told(log: Path):
    told = log.read_text()
    return told if "reconciling" in told else None
