"""`retention up` as somebody runs it who has configured nothing."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from processes import until


@pytest.fixture
def var(tmp_path):
    return tmp_path / "var"


@pytest.fixture
def environment(var):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RETENTION_")}
    return clean | {"RETENTION_VAR_DIRECTORY": str(var), "RETENTION_WEB_PORT": "0"}


def started(environment, log, *arguments):
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "worker", "up", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def ours(var):
    """Every living process that works on this var directory: by its environment, its arguments or where it runs."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:  # ended; whoever adopted it has not asked how
                continue
            places = [*process.cmdline(), process.cwd(), process.environ().get("RETENTION_VAR_DIRECTORY", "")]
        except psutil.Error:
            continue
        if any(str(var) in place for place in places):
            found.append(process)
    return found


def test_up_seeds_sweeps_tells_what_it_did_and_leaves_no_process_behind(var, environment, tmp_path):
    log = tmp_path / "up.log"
    up = started(environment, log, "--seed", "300")
    until(lambda: b"purge (sweep 1) done" in log.read_bytes() and b"(sweep 2) done" in log.read_bytes(), "both sweeps")
    assert len(ours(var)) > 4
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 0
    told = log.read_text()
    assert "seeded 300 accounts" in told
    assert "accounts deleted (rows: accounts " in told
    assert "retention explain ID" in told
    assert told.endswith("stopped\n")
    assert ours(var) == []


def test_a_killed_up_takes_everything_along_and_the_next_command_finds_the_data(var, environment, tmp_path):
    up = started(environment, tmp_path / "up.log")
    until(lambda: b"ready." in _read(var / "worker.log"), "the worker is ready")
    up.kill()
    up.wait()
    until(lambda: ours(var) == [], "worker, beat and servers are gone")
    command = [sys.executable, "-m", "worker", "sweeps", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert done.stdout == b'{\n  "sweeps": []\n}\n'
    assert ours(var) == []


def test_a_killed_worker_and_killed_servers_are_started_again(var, environment, tmp_path):
    log = tmp_path / "up.log"
    up = started(environment, log)
    until(lambda: b"ready." in _read(var / "worker.log"), "the worker is ready")
    until(lambda: _read(var / "worker.log").count(b"retention.dispatch") >= 1, "a dispatch has come")
    for process in ours(var):
        if process.pid != up.pid:
            _kill(process)
    until(lambda: b"started again" in log.read_bytes(), "the worker is started again")
    until(lambda: _read(var / "worker.log").count(b"ready.") >= 2, "the second worker is ready")
    dispatched = _read(var / "worker.log").count(b"retention.dispatch")
    until(lambda: _read(var / "worker.log").count(b"retention.dispatch") > dispatched, "dispatching goes on")
    up.terminate()
    assert up.wait(60) == 0
    assert ours(var) == []


def _read(path):
    return path.read_bytes() if path.exists() else b""


def _kill(process):
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return  # it went with another
