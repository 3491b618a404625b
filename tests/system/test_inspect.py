"""Celery's own tools look at our worker."""

import json
import subprocess
import sys

import pytest

TASKS = {
    *("dispatch", "drain", "erase_files", "export", "measure", "prepare_log", "reconcile", "recover", "run", "sweep"),
    "verify",
}


def inspect(stack, question):
    command = [sys.executable, "-m", "celery", "-A", "worker", "inspect", question, "--json"]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, check=True)
    (answer,) = json.loads(done.stdout).values()
    return answer


@pytest.mark.parametrize(("question", "told"), [("ping", {"ok": "pong"}), ("active", [])])
def test_a_worker_answers_inspection(stack, question, told):
    stack.worker()
    assert inspect(stack, question) == told


def test_a_worker_names_its_tasks(stack):
    stack.worker()
    tasks = {each.split(" ")[0] for each in inspect(stack, "registered")}
    assert tasks == {f"retention.{name}" for name in TASKS}
