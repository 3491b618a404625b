"""Liveness of worker and beat: a probe that needs no broker, and an end for a process whose loop stands still."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from own_servers import OwnServers
from processes import Stack, until

from models.errors import InvalidConfiguration, Unavailable
from worker.exits import EXITS
from worker.pulse import STUCK_EXIT

STUCK_SECONDS = 10
PATIENCE_SECONDS = 60


def probe(**environment):
    """Ask as an exec probe does; returns (exit code, what it said)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RETENTION_")}
    command = [sys.executable, "-W", "error", "-m", "worker.alive"]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def started(stack, kind):
    """Start a process that is probed and watched; returns it and its file."""
    file = stack.directory / "alive"
    chosen = {"RETENTION_ALIVE_FILE": str(file), "RETENTION_STUCK_SECONDS": str(STUCK_SECONDS)}
    process = stack.worker(**chosen) if kind == "worker" else stack.beat(**chosen)
    until(file.exists, "it says that it is at work")
    return process, file


def long_ago(file):
    """Let a file look as it does a minute after the last touch."""
    at = file.stat().st_mtime - 61
    os.utime(file, (at, at))


@pytest.mark.parametrize("kind", ["worker", "beat"])
def test_a_process_at_work_is_alive_and_a_stopped_one_is_not(stack, kind):
    process, file = started(stack, kind)
    long_ago(file)
    until(lambda: probe(RETENTION_ALIVE_FILE=str(file))[0] == 0, "it has touched the file again")
    os.kill(process.pid, signal.SIGSTOP)
    long_ago(file)
    code, said = probe(RETENTION_ALIVE_FILE=str(file))
    assert code == 1
    assert "the process is stopped or stuck" in said


def test_a_worker_whose_database_or_schema_is_not_there_yet_ends_so_that_it_is_started_again(
    stack, another_database_url
):
    for url, branch in {
        "postgresql://nobody@127.0.0.1:1/none": Unavailable,
        another_database_url: InvalidConfiguration,
    }.items():
        process = stack.start("celery", "-A", "worker", "worker", log="ended", RETENTION_DATABASE_URL=url)
        assert process.wait(PATIENCE_SECONDS) == EXITS[branch]


def test_a_probe_says_what_it_misses(tmp_path):
    assert probe() == (4, "retention: RETENTION_ALIVE_FILE is not set; give the probe the same value as the process\n")
    code, said = probe(RETENTION_ALIVE_FILE=str(tmp_path / "none"))
    assert (code, "No such file" in said) == (1, True)


@pytest.mark.parametrize("kind", ["worker", "beat"])
def test_a_file_that_cannot_be_written_is_a_wrong_setting(stack, kind):
    refused = stack.start("celery", "-A", "worker", kind, log=kind, RETENTION_ALIVE_FILE="/no/such/place")
    assert refused.wait() == 4
    said = (stack.directory / f"{kind}.log").read_text()
    assert "RETENTION_ALIVE_FILE is '/no/such/place', which cannot be written (No such file or directory)" in said


def test_a_beat_whose_loop_stood_still_ends_itself(stack):
    beat, file = started(stack, "beat")
    until(lambda: any(each["event"].startswith("beat: Starting") for each in stack.log("beat")), "it has begun")
    long_ago(file)
    until(lambda: probe(RETENTION_ALIVE_FILE=str(file))[0] == 0, "its loop has turned")
    os.kill(beat.pid, signal.SIGSTOP)
    time.sleep(STUCK_SECONDS + 1)
    os.kill(beat.pid, signal.SIGCONT)
    assert beat.wait(60) == STUCK_EXIT
    (stuck,) = [each for each in stack.log("beat") if each["event"] == "process.stuck"]
    assert any("celery/beat.py" in place for place in stuck["trace"])


def test_a_worker_stuck_at_a_broker_that_answers_nothing_ends_itself_with_its_children(database_url, tmp_path):
    servers = OwnServers(tmp_path / "var", database=False)
    stack = Stack(database_url, servers.broker_url, tmp_path)
    try:
        worker, _ = started(stack, "worker")
        children = psutil.Process(worker.pid).children()
        assert children
        servers.freeze_redis()
        assert worker.wait(60) == STUCK_EXIT
        until(lambda: not any(map(psutil.Process.is_running, children)), "no child is left")
        (stuck,) = [each for each in stack.log("worker") if each["event"] == "process.stuck"]
        assert any("redis" in place for place in stuck["trace"])
    finally:
        stack.stop()
        servers.thaw_redis()
