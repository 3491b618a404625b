"""The proof of the log on the command line: verified, certified, exported, checked with no database."""

import json

import pytest
from logs import a_log, unguarded
from processes import until
from sqlalchemy import text

from models import PolicyName

NOWHERE = {"RETENTION_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/db", "RETENTION_BROKER_URL": None}


@pytest.fixture
def log(engine, policies):
    """Three receipts, of 3, 3 and 1 accounts."""
    a_log(engine, policies, 7, policy=PolicyName.PURGE)


@pytest.mark.usefixtures("log")
def test_an_auditor_checks_an_action_with_a_file_and_a_head_and_nothing_else(stack, tmp_path):
    file, place = str(tmp_path / "4.json"), str(tmp_path / "log")
    head = stack.retention("log", "export", place, "--json", check=True).json["head"]
    assert stack.retention("log", "verify", "--against", place, "--json", check=True).json == {
        "ok": True,
        "receipts": 3,
        "actions": 7,
        "head": head,
    }
    stack.retention("log", "certificate", "4", "--output", file, check=True)
    assert json.loads(stack.retention("log", "certificate", "4", check=True).out) == json.loads(
        (tmp_path / "4.json").read_text()
    )

    checked = stack.retention("log", "check", file, "--head", head, "--json", check=True, **NOWHERE)
    assert (checked.json["ok"], checked.json["action"]["id"], checked.json["held"]) == (True, 4, [head])
    assert stack.retention("log", "check", place, "--head", head, check=True, **NOWHERE).out
    unheld = stack.retention("log", "check", file, "--json", **NOWHERE)
    assert (unheld.code, unheld.json["ok"], unheld.json["consistent"]) == (3, False, True)
    assert "no head" in unheld.err

    another = stack.retention("log", "check", file, "--head", f"3:{'0' * 64}", **NOWHERE)
    assert (another.code, len(another.err.splitlines())) == (6, 1)
    (tmp_path / "4.json").write_text((tmp_path / "4.json").read_text().replace('"account_id": ', '"account_id": 1'))
    changed = stack.retention("log", "check", file, "--head", head, **NOWHERE)
    assert (changed.code, changed.out) == (6, "")
    assert "action 4" in changed.err


@pytest.mark.usefixtures("log")
def test_the_first_break_is_said_in_one_line_and_in_json(stack, engine):
    with engine.begin() as connection:
        unguarded(connection, "UPDATE actions SET account_id = 0 WHERE id = 5")
    found = stack.retention("log", "verify", "--json")
    assert (found.code, found.json["ok"]) == (6, False)
    assert found.json["break"] | {"detail": ""} == {"kind": "changed", "receipt": 2, "action": 5, "detail": ""}
    assert found.err.startswith("retention: the log is changed at receipt 2, action 5: ")
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("verify", "--head", "5"), 2, "'5' is no head"),
        (("verify", "--against", "nowhere://u:secret@h/log"), 4, "nowhere://…@h/log"),
        (("verify", "--against", "no/such/place"), 3, "nothing was exported"),
        (("certificate", "99"), 3, "no action 99"),
        (("check", "no/such/file"), 2, "No such file"),
        (("check", "README.md"), 6, "no certificate"),
        (("export",), 4, "RETENTION_EXPORT_URL is not set"),
        (("export", "s3://key:secret@bucket/log"), 4, "driver"),
        (("export", "ftp://u:secret@127.0.0.1:1/log"), 5, "ftp://…@127.0.0.1:1/log"),
    ],
)
def test_what_cannot_be_proven_is_answered_with_one_line_and_the_right_code(stack, arguments, code, part):
    result = stack.retention("log", *arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1), result.err
    assert part in result.err
    assert "secret" not in result.err


@pytest.mark.usefixtures("log")
def test_each_minute_the_log_is_exported_and_its_head_logged(stack, engine, policies):
    place = stack.directory / "log"
    settings = {"RETENTION_EXPORT_URL": str(place)}
    stack.worker(**settings)

    def dispatch():
        stack.start("celery", "-A", "worker", "call", "retention.dispatch", log="call", **settings).wait(60)

    def exported():
        head = stack.retention("log", "verify", "--json", check=True).json["head"]
        return [file for file in place.glob("*.jsonl") if head.partition(":")[2] in file.name]

    dispatch()
    until(exported, "the log is exported")
    a_log(engine, policies, 1, policy=PolicyName.PURGE)
    dispatch()
    until(exported, "what came later is exported as well")
    lines = (stack.directory / "worker.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if '"head.exported"' in line]
    assert [(event["number"], event["receipts"]) for event in events] == [(3, 3), (4, 1)]
    with engine.connect() as connection:
        digest = connection.scalar(text("SELECT encode(digest, 'hex') FROM chain_heads"))
    assert events[-1]["digest"] == digest
