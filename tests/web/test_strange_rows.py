"""Whatever an application wrote into its rows, people and programs are answered, and no terminal is steered."""

import json

import pytest
from builders import a_hold, an_account, dependents
from sqlalchemy import text
from sweeping import closable, purgeable

from worker.printable import printable

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u05ea\u05d5\u05d3\u05d4\r\n👩\u200d💻"


@pytest.fixture
def strange(by_hand, engine):
    """A deployment with rows of strange texts and instants; returns the account that is kept, and its hold."""
    hand = by_hand()
    with engine.begin() as connection:
        kept = an_account(connection)
        for number in (kept, purgeable(connection), closable(connection)):
            dependents(connection, number)
        hold_id = a_hold(connection, kept)
        connection.execute(text("DELETE FROM quarantine"))
        odd = {"text": STEERING}
        connection.execute(text("UPDATE holds SET reason = :text, placed_by = :text, placed_at = 'infinity'"), odd)
        connection.execute(text("UPDATE transitions SET actor = :text, office = :text, at = '-infinity'"), odd)
        connection.execute(text("UPDATE documents SET storage_key = :text, created_at = '4713-01-01 BC'"), odd)
        connection.execute(text("UPDATE accounts SET created_at = 'infinity'"))
    for policy in ("purge", "counter_only"):
        assert hand.carry_out(hand.request(policy)).status == "done"
    hand.do("dispatch")
    hand.do("measure")
    return kept, hold_id


def test_the_api_and_the_metrics_answer_with_json_and_numbers(server, strange):
    kept, hold_id = strange
    told = server.ask(f"/api/v1/accounts/{kept}").json()
    assert told["history"][0]["actor"] == told["holds"][0]["reason"] == STEERING
    assert (told["history"][0]["at"], told["holds"][0]["placed_at"]) == (
        "0001-01-01T00:00:00+00:00",
        "9999-12-31T23:59:59.999999+00:00",
    )
    for path in ("holds", "status", "plan/purge", "forecast", "sweeps", "log", "quarantine", "decisions"):
        assert server.ask(f"/api/v1/{path}").json()
    assert "retention_holds 1.0" in server.ask("/metrics").text
    released = server.act(f"/api/v1/holds/{hold_id}/release", "approver").json()
    assert released["placed_at"] == "9999-12-31T23:59:59.999999+00:00"
    assert server.events("request.failed") == []


def test_commands_answer_people_and_programs(stack, strange):
    kept, hold_id = strange
    asked = [("explain", str(kept)), ("hold", "list"), ("files", "list", "--keys"), ("status",), ("sweeps",)]
    for arguments in asked:
        people = stack.retention(*arguments, check=True)
        assert not [sign for sign in people.out if sign != "\n" and printable(sign) != sign]
        programs = stack.retention(*arguments, "--json", check=True)
        assert not [sign for sign in programs.out if sign != "\n" and printable(sign) != sign]
        assert json.loads(programs.out)
    (hold,) = stack.retention("hold", "list", "--json", check=True).json["holds"]
    assert hold["reason"] == STEERING
    assert printable(STEERING) in stack.retention("hold", "list", check=True).out
    released = ("hold", "release", str(hold_id), "--actor", "legal", "--reason", "settled", "--json")
    assert stack.retention(*released, check=True).json["id"] == hold_id


def test_what_cannot_be_written_down_is_refused_in_one_line(stack, strange):
    kept, _ = strange
    for actor, reason in ((STEERING, "r"), ("a", STEERING), ("a", "\udcff"), ("a", "x" * 1001), ("\u202e", "\x7f")):
        told = stack.retention("hold", "place", str(kept), "--actor", actor, "--reason", reason)
        assert (told.code, told.out, len(told.err.splitlines())) == (2, "", 1)
        assert not [sign for sign in told.err[:-1] if printable(sign) != sign]
