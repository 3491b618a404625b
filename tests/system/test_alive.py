"""Signs of life, as a probe of Docker or Kubernetes looks at them."""

import os
import signal

import pytest
from processes import until


@pytest.fixture
def alive(tmp_path):
    return tmp_path / "alive"


def looks_old(file):
    """Make a file old; say whether it stays so."""
    os.utime(file, (0, 0))
    return file


def was_touched(file):
    return file.exists() and file.stat().st_mtime > 0


def test_a_worker_at_work_touches_its_file_again_and_again(stack, alive):
    stack.worker(RETENTION_ALIVE_FILE=str(alive))
    until(lambda: was_touched(alive), "a sign of life")
    looks_old(alive)
    until(lambda: was_touched(alive), "another sign of life")


def test_a_worker_that_is_stuck_shows_no_sign_of_life_until_it_goes_on(stack, alive):
    worker = stack.worker(RETENTION_ALIVE_FILE=str(alive))
    until(lambda: was_touched(alive), "a sign of life")
    os.kill(worker.pid, signal.SIGSTOP)
    looks_old(alive)
    with pytest.raises(AssertionError):
        until(lambda: was_touched(alive), "a sign of life of a stuck worker", seconds=25)
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: was_touched(alive), "another sign of life")


def test_a_beat_touches_its_file_when_it_starts_and_with_each_message(stack, alive):
    stack.beat(RETENTION_ALIVE_FILE=str(alive))
    until(lambda: was_touched(alive), "a sign of life")
    looks_old(alive)
    until(lambda: was_touched(alive), "a sign of life with the next minute's message")


def test_a_worker_does_its_work_where_it_cannot_write_its_file(stack, tmp_path):
    stack.worker(RETENTION_ALIVE_FILE=str(tmp_path / "nowhere" / "alive"))
    assert stack.run("counter_only")[0]["status"] == "done"
