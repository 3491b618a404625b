"""Files of purged accounts, with real workers: what an operator sees, and what a death in mid-erasure leaves."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import stores
from builders import an_account
from processes import until
from sqlalchemy import text

BY = ("--actor", "mori", "--reason", "test")


def left(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM doomed_files"))


def purgeable(engine, *keys):
    with engine.begin() as connection:
        account_id = an_account(connection, status="invalid", invalidated_at=datetime.now(UTC) - timedelta(days=3000))
        for key in keys:
            connection.execute(
                text("INSERT INTO documents (account_id, storage_key) VALUES (:id, :key)"),
                {"id": account_id, "key": key},
            )


def test_files_wait_while_no_url_is_set_and_everybody_who_asks_is_told_the_way_out(stack, engine, tmp_path):
    stack.retention("seed", "--accounts", "300", check=True)
    assert "before documents' files are to be erased" in stack.retention("doctor", check=True).out
    worker = stack.worker()
    stack.run("purge")
    waiting = left(engine)
    assert waiting > 0
    status = stack.retention("status", "--json", check=True).json["files"]
    assert {name: status[name] for name in ("waiting", "overdue", "refused", "in_use")} == {
        "waiting": waiting,
        "overdue": 0,
        "refused": 0,
        "in_use": 0,
    }
    assert status["oldest_at"].endswith("+09:00")
    assert "until RETENTION_DOCUMENTS_URL is set" in stack.retention("status", check=True).out
    doctor = stack.retention("doctor")
    assert doctor.code == 4
    assert f"{waiting:,} files of purged accounts wait to be erased; set RETENTION_DOCUMENTS_URL" in doctor.out
    (sweep,) = stack.retention("sweeps", "--json", check=True).json["sweeps"]
    assert sweep["files_left"] == waiting
    (first, *_) = stack.retention("files", "list", "--json", check=True).json["files"]
    assert (first["sweep_id"], first["attempts"], first["failure"]) == (sweep["id"], 0, None)
    assert "storage_key" not in first
    shown = stack.retention("files", "list", "--keys", "--json", "--limit", "1", check=True).json["files"]
    assert shown[0]["storage_key"].startswith("documents/")
    assert b"documents/" not in (stack.directory / "worker.log").read_bytes()
    assert worker.poll() is None

    settled = stack.retention("files", "settle", str(first["id"]), *BY, "--json", check=True).json
    assert settled == {"id": first["id"]}
    assert stack.retention("files", "retry", str(first["id"]), *BY).code == 3
    assert stack.retention("files", "retry", "--all", *BY, "--json", check=True).json == {"files": waiting - 1}
    (tmp_path / "wrong place").mkdir()
    elsewhere = {"RETENTION_DOCUMENTS_URL": f"file://{tmp_path}/wrong place"}
    assert "StoreEmptyError" in stack.retention("doctor", **elsewhere).out
    (tmp_path / "wrong place" / "else.pdf").touch()
    assert "none has its file under RETENTION_DOCUMENTS_URL" in stack.retention("doctor", **elsewhere).out


def test_a_worker_killed_right_after_it_erased_a_file_leaves_the_row_and_the_next_one_ends_it(stack, engine, tmp_path):
    with_plugin(stack, tmp_path, "deadly", "DeadlyStore")
    root = tmp_path / "documents"
    keys = [f"秘密/{number}.pdf" for number in range(30)]
    (root / "秘密").mkdir(parents=True)
    for key in keys:
        (root / key).touch()
    purgeable(engine, *keys)
    stack.worker()
    stack.run("purge")
    until(lambda: (tmp_path / "killed").exists() and not left(engine), "every file is erased")
    assert list(root.rglob("*.pdf")) == []
    log = (stack.directory / "worker.log").read_text()
    assert "files.tried" in log
    assert "already_gone" in log
    assert "秘密" not in log
    assert "\\u79d8" not in log

    # What is left over from before, as after a failure, is found by the minutely dispatch.
    dispatch(stack)
    until(lambda: len(ended(stack)) == 3, "both ticks' sweeps have ended")
    (root / "late.pdf").touch()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO doomed_files (storage_key, sweep_id) VALUES ('late.pdf', 1)"))
    dispatch(stack)
    until(lambda: not left(engine) and not (root / "late.pdf").exists(), "what was left over is erased")
    assert stack.retention("doctor", check=True, RETENTION_DOCUMENTS_URL=f"file://{tmp_path}").code == 0


def dispatch(stack):
    stack.start("celery", "-A", "worker", "call", "retention.dispatch", log="call").wait()


def ended(stack):
    return [each for each in stack.retention("sweeps", "--json", check=True).json["sweeps"] if each["ended_at"]]


def with_plugin(stack, directory, scheme, store):
    """Let our processes find a store as they would find an installed driver: by its entry point."""
    plugins = directory / "plugins"
    (plugins / "stores-1.dist-info").mkdir(parents=True)
    (plugins / "stores-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stores\nVersion: 1\n")
    entry = f"[fsspec.specs]\n{scheme} = stores:{store}\n"
    (plugins / "stores-1.dist-info" / "entry_points.txt").write_text(entry)
    shutil.copy(Path(stores.__file__), plugins)
    stack.environment |= {"PYTHONPATH": str(plugins), "RETENTION_DOCUMENTS_URL": f"{scheme}://{directory}/documents"}
