"""Pausing, approving and rejecting on the command line: what it answers to people and to scripts."""

from datetime import timedelta

import pytest
from builders import an_account
from processes import until
from sqlalchemy import text

SAYS = ("--actor", "sato", "--reason", "the import of 1 May")
ASKS = ("--actor", "mori", "--reason", "the import of 1 May")
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def due(engine):
    """Two accounts whose window is to be closed."""
    with engine.begin() as connection:
        at = connection.scalar(text("SELECT now()")) - timedelta(days=45)
        return [an_account(connection, state="withdrawn", withdrawn_at=at) for _ in range(2)]


def closed(engine):
    with engine.connect() as connection:
        query = text("SELECT id FROM accounts WHERE state = 'counter_only' ORDER BY id")
        return list(connection.scalars(query))


def sweep(stack, number):
    sweeps = stack.retention("sweeps", "--json", check=True).json["sweeps"]
    return next(each for each in sweeps if each["id"] == number)


def test_a_held_sweep_is_approved_by_somebody_else_and_acts_on_its_plan(stack, engine, due):
    stack.worker(RETENTION_CEILING_ACCOUNTS="0")
    held = stack.retention("run", "counter_only", "--wait", *ASKS)
    assert held.code == 3
    assert "Sweep 1 (counter_only) is held since" in held.out
    assert "ceiling: at least 2 accounts would be touched, and the absolute ceiling allows 0" in held.out
    until(lambda: sweep(stack, 1)["planned"] == 2, "its plan is frozen")
    digest = sweep(stack, 1)["planned_digest"]
    assert f"its plan: 2 accounts, {digest}" in stack.retention("status", check=True).out
    assert closed(engine) == []

    own = stack.retention("approve", "1", "--actor", "MORI", "--reason", "I know what I do", "--json")
    assert (own.code, own.out) == (3, "")
    assert own.err == "retention: MORI asked for sweep 1; somebody else has to approve it\n"
    approved = stack.retention("approve", "1", *SAYS, "--json", check=True)
    assert approved.err == ""
    assert approved.json["approved_at"] is not None
    assert (approved.json["planned"], approved.json["planned_digest"]) == (2, digest)
    until(lambda: sweep(stack, 1)["status"] == "done", "the approved sweep is done, by its own message")
    assert closed(engine) == due
    again = stack.retention("approve", "1", *SAYS)
    assert (again.code, again.out) == (3, "")
    assert "sweep 1 is not held, it is done" in again.err


def test_a_paused_policy_waits_until_it_is_resumed_and_then_goes_on_by_itself(stack, engine, due):
    paused = stack.retention("pause", "counter_only", *SAYS, "--json", check=True)
    assert (paused.json, paused.err) == ({"policy": "counter_only", "paused": True}, "")
    twice = stack.retention("pause", "counter_only", *SAYS, "--json")
    assert (twice.code, twice.out) == (3, "")
    stack.worker()
    held = stack.retention("run", "counter_only", "--wait", *ASKS, "--json")
    assert held.code == 3
    assert [stop["gate"] for stop in held.json["sweeps"][0]["held_for"]] == ["pause"]
    status = stack.retention("status", "--json", check=True).json
    assert (status["paused"]["counter_only"]["actor"], status["paused"]["counter_only"]["reason"]) == (SAYS[1], SAYS[3])
    assert f"counter_only by sato: {SAYS[3]}" in stack.retention("status", check=True).out
    approved = stack.retention("approve", "1", *SAYS, "--json")
    assert (approved.code, approved.out) == (3, "")
    assert "goes on by itself when its reason has gone: paused by sato" in approved.err
    assert closed(engine) == []
    assert SAYS[3] not in (stack.directory / "worker.log").read_text(), "what people write is not logged"

    resumed = stack.retention("resume", "counter_only", *SAYS, "--json", check=True)
    assert (resumed.json, resumed.err) == ({"policy": "counter_only", "paused": False}, "")
    until(lambda: sweep(stack, 1)["status"] == "done", "it goes on by itself")
    assert closed(engine) == due
    assert stack.retention("status", "--json", check=True).json["paused"] == {}


def test_a_decision_holds_though_the_broker_is_away(stack, engine, due):
    away = {"RETENTION_BROKER_URL": NOWHERE}
    stack.retention("run", "counter_only", *ASKS, check=True)
    worker = stack.worker(RETENTION_CEILING_ACCOUNTS="0")
    until(lambda: sweep(stack, 1)["planned"] == 2, "its plan is frozen")
    approved = stack.retention("approve", "1", *SAYS, "--json", **away)
    assert (approved.code, approved.json["status"]) == (0, "queued")
    assert "decided and recorded" in approved.err
    assert worker.poll() is None
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweeps SET heard_at = now() - interval '1 hour'"))  # instead of a minute's wait
    assert stack.start("celery", "-A", "worker", "call", "retention.recover", log="call").wait() == 0
    until(lambda: closed(engine) == due, "the next minute wakes it")


def test_a_decision_says_when_it_is_about_an_embedded_database(stack, tmp_path):
    var = tmp_path / "var"
    nowhere = {"RETENTION_DATABASE_URL": None, "RETENTION_VAR_DIRECTORY": str(var)}
    where = f"retention: RETENTION_DATABASE_URL is not set: this is about the embedded database under {var}\n"
    unmade = stack.retention("pause", "purge", *SAYS, **nowhere)
    assert (unmade.code, unmade.out) == (4, "")
    assert unmade.err.startswith(where)
    stack.retention("migrate", check=True, **nowhere)
    paused = stack.retention("pause", "purge", *SAYS, "--json", check=True, **nowhere)
    assert (paused.json, paused.err) == ({"policy": "purge", "paused": True}, where)
    assert stack.retention("status", **nowhere).err == ""
