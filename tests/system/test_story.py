"""The manual's story, on the command line, as a newcomer has it told."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from processes import until

STORY = Path(__file__).parents[2] / "docs" / "story.sh"
PATIENCE_SECONDS = 900
pytestmark = pytest.mark.timeout(1000)
NOWHERE = {
    "RETENTION_DATABASE_URL": "postgresql://127.0.0.1:1/somebody_elses",
    "RETENTION_BROKER_URL": "redis://127.0.0.1:1/0",
}

# In this order; what lies between is the reader's.
TOLD = """
$ retention up &
== 1. Two people open My Page
$ retention account register --email hanako@example.jp
account id         1
$ retention account register --email taro@example.jp
account id         2
== 2. Leaving My Page (退会)
VALUES (1, 'self', 'pending')
$ retention account withdraw 1
retention: account 1 has a self-made application pending
(exit code 3)
SET status = 'rejected'
$ retention account withdraw 1
state              withdrawn
== 3. Coming back alone within 30 days (アカウント再登録)
$ retention account login --email hanako@example.jp
nobody can log in
(exit code 3)
::date - 30 + time '23:59:59'
$ retention account reactivate --email hanako@example.jp
state              active
== 4. From day 31 on: too late to come back alone
::date - 31 + time '23:59:59'
$ retention account reactivate --email hanako@example.jp
office counter
(exit code 3)
$ retention explain 1
behaves as         counter_only
$ retention account register --email hanako@example.jp
account id         3
$ retention log list --account 1
counter_only
== 5. Coming back at an office counter (窓口)
$ retention account withdraw 2
$ retention run counter_only --wait --actor story
done
$ retention account recover 2 --staff 0815 --office 13010 --email taro.new@example.jp
state              active
registration       hellowork
carpenter
$ retention account login --email taro.new@example.jp
state              active
== 6. Five years after the registration became invalid (無効)
$ retention account invalidate 2
$ retention hold place 2 --actor legal --reason "complaint 2026-118"
interval '5 years'
$ retention run purge --wait
$ retention explain 2
state              active
purge: not now: hold 1
carpenter
$ retention hold release 1
$ retention run purge --wait
$ retention explain 2
state              gone
In the log
purge
$ retention account withdraw 2
account 2 was deleted for ever
(exit code 3)
$ retention account recover 2
account 2 was deleted for ever
(exit code 3)
$ retention hold place 2
account 2 was deleted for ever
(exit code 3)
That is the whole story.
"""


@pytest.fixture
def temporary(tmp_path):
    """Where the story makes its directory; whatever of it still runs after a failed test is ended."""
    yield tmp_path
    for process in working_in(tmp_path):
        process.kill()
    until(lambda: working_in(tmp_path) == [], "all of the story is ended")


@pytest.fixture
def story(temporary):
    """Start the story, where a deployment of somebody else's is configured."""

    def start(**settings):
        return subprocess.Popen(
            ["bash", STORY],
            env=os.environ | NOWHERE | {"TMPDIR": str(temporary)} | settings,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def working_in(directory):
    """Every process whose environment, arguments or place names the directory."""
    found = []
    for process in psutil.process_iter():
        try:
            places = [*process.cmdline(), process.cwd(), process.environ().get("RETENTION_VAR_DIRECTORY", "")]
        except psutil.Error:
            continue
        if any(str(directory) in place for place in places):
            found.append(process)
    return found


def nothing_is_left(directory):
    assert working_in(directory) == []
    assert list(directory.iterdir()) == []


def test_the_story_is_told_to_its_end_and_leaves_nothing_behind(story, temporary):
    whole = story()
    told, complaints = whole.communicate(timeout=PATIENCE_SECONDS)
    assert (whole.returncode, complaints) == (0, "")
    rest = told
    for fact in TOLD.strip().splitlines():
        assert fact in rest, f"{fact} is not told, or not in its place:\n{told}"
        rest = rest.partition(fact)[2]
    assert "password of" not in told
    nothing_is_left(temporary)


def test_a_step_that_does_not_answer_as_it_must_ends_the_story_and_is_named(story, temporary):
    a_day_less = story(RETENTION_REACTIVATION_DAYS="29")
    told, complaints = a_day_less.communicate(timeout=PATIENCE_SECONDS)
    assert a_day_less.returncode == 1
    assert complaints == (
        "story: this step did not answer as it must: On day 30, the last one, the old address and password reopen "
        "the account. (exit code 3 instead of 0)\n"
    )
    assert "reactivation window" in told  # refused by its date, or by a sweep that was there first
    assert "== 4." not in told
    nothing_is_left(temporary)


def test_a_deployment_that_does_not_start_ends_the_story_and_says_why(story, temporary):
    misconfigured = story(RETENTION_PURGE_CRON="never")
    _, complaints = misconfigured.communicate(timeout=PATIENCE_SECONDS)
    assert misconfigured.returncode == 1
    assert complaints.startswith("story: this step did not answer as it must: PostgreSQL, Redis, a worker and beat")
    assert "RETENTION_PURGE_CRON is 'never'" in complaints
    assert complaints.count("\n") == 1
    nothing_is_left(temporary)


def test_a_story_that_is_stopped_leaves_nothing_behind(story, temporary):
    stopped = story()
    while not stopped.stdout.readline().startswith("== 1."):
        assert stopped.poll() is None
    stopped.terminate()
    stopped.communicate(timeout=PATIENCE_SECONDS)
    assert stopped.returncode == 130
    nothing_is_left(temporary)
