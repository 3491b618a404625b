"""What worker and beat write: JSON lines that name their task and sweep, nothing personal, and words on a terminal."""

import json
import os
import pty
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress

import psutil
from processes import until

OF_SWEEPS = {"retention.sweep", "retention.drain", "retention.reconcile"}
ADDRESS = "taro.yamada@example.jp"


def done(stack, policies=2):
    return [each["status"] for each in stack.retention("sweeps", "--json").json["sweeps"]] == ["done"] * policies


def test_every_line_of_worker_and_beat_is_json_and_names_the_task_and_the_sweep_it_belongs_to(stack, engine):
    stack.retention("seed", "--accounts", "2000", check=True)
    with engine.connect() as connection:
        addresses = connection.exec_driver_sql("SELECT email FROM accounts WHERE email IS NOT NULL").scalars().all()
    worker, beat = stack.worker(), stack.beat()
    until(lambda: done(stack), "the minute's dispatch is carried out")
    for process in (beat, worker):
        process.terminate()
        assert process.wait(60) == 0
    written = "".join((stack.directory / f"{name}.log").read_text() for name in ("worker", "beat"))
    lines = [json.loads(line) for line in written.splitlines()]
    assert all(line.keys() >= {"event", "level", "logger", "timestamp"} for line in lines)
    assert all("task_id" in line for line in lines if line["event"].startswith("Task retention."))
    of_tasks = defaultdict(list)
    for line in lines:
        if "task_id" in line:
            of_tasks[line["task_id"]].append(line)
    for told in of_tasks.values():
        assert len({line["task"] for line in told}) == 1
        of_sweep = told[0]["task"] in OF_SWEEPS
        assert len({line.get("sweep") for line in told}) == 1 or not of_sweep, told
        assert all("sweep" in line for line in told) or not of_sweep, told
    batches = [line for line in lines if line["event"] == "batch.committed"]
    assert {line["policy"] for line in batches} == {"purge", "counter_only"}
    assert all(line.keys() >= {"sweep", "lane", "receipt", "task", "task_id"} for line in batches)
    around = {line["logger"] for line in of_tasks[batches[0]["task_id"]]}
    assert around >= {"celery.worker.strategy", "celery.app.trace", "tasks.drain"}
    assert not any(address in written for address in addresses)


def test_what_somebody_entered_in_a_wrong_place_is_told_by_its_place(stack):
    stack.worker()
    wrong = [("retention.run", "--kwargs", {ADDRESS: 1}), ("retention.sweep", "--args", [ADDRESS])]
    for task, how, told in wrong:
        assert stack.start("celery", "-A", "worker", "call", task, how, json.dumps(told), log="call").wait() == 0
    refused = until(lambda: _refused(stack, 2), "both messages are refused")
    assert ADDRESS not in (stack.directory / "worker.log").read_text()
    assert {each["reason"] for each in refused} == {
        "body: not the arguments of retention.run",
        "body: sweep_id of retention.sweep is no value that it takes",
    }


def test_an_error_that_quotes_what_somebody_entered_is_told_without_it(stack):
    stack.worker()
    call = ("celery", "-A", "worker", "call", "retention.run", "--kwargs")
    told = {"policy": ADDRESS, "actor": ADDRESS, "reason": ADDRESS}
    assert stack.start(*call, json.dumps(told), log="call").wait() == 0
    (failed,) = until(lambda: _failed(stack, 1), "the task has failed")
    assert ADDRESS not in (stack.directory / "worker.log").read_text()
    assert "raised unexpected" in failed["event"]
    assert failed["error"].startswith("Refused: there is no policy of that name")
    assert "celery/app/trace.py" in failed["trace"][0]


def _refused(stack, messages):
    refused = [each for each in stack.log("worker") if each["event"] == "message.refused"]
    return refused if len(refused) == messages else None


def _failed(stack, tasks):
    failed = [each for each in stack.log("worker") if each["level"] == "error"]
    return failed if len(failed) == tasks else None


def test_on_a_terminal_the_same_lines_are_for_people(stack):
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "--concurrency=1"]
    with os.fdopen(screen, "rb") as shown:
        worker = subprocess.Popen(
            command, env=stack.environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        stack.processes.append(worker)
        os.close(terminal)
        lines = []
        with suppress(OSError):  # how a terminal says that nobody is there any more
            for line in shown:
                lines.append(line.decode())
                if "ready." in lines[-1]:
                    worker.terminate()
    assert worker.wait(60) == 0
    (ready,) = [line for line in lines if "ready." in line]
    assert not ready.startswith("{")
    assert "celery@" in ready
    assert any("[queues]" in line for line in lines), "Celery's own greeting is there"


def test_a_child_that_is_killed_is_told_in_a_line_of_ours(stack):
    worker = stack.worker(concurrency=1)
    (child,) = psutil.Process(worker.pid).children()
    child.kill()
    told = until(lambda: [line for line in stack.log("worker") if "exited with" in line["event"]], "it is told")
    assert [line["level"] for line in told] == ["error"]
