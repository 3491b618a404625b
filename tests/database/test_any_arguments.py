"""Whatever arguments a message of ours carries: its task refuses them, or does what the next minute would do anyway."""

import json
from base64 import b64decode
from contextlib import suppress
from inspect import signature

import journal
import pytest
from builders import a_hold
from fuzzing import examples, texts
from hostile import message_of_ours
from hypothesis import example, given
from hypothesis import strategies as st
from sweeping import closable, purgeable

from models.errors import Refused
from worker.broker import redis_client
from worker.intake import NotOursError, ours

TASKS = [
    "dispatch",
    "drain",
    "erase_files",
    "export",
    "measure",
    "prepare_log",
    "reconcile",
    "recover",
    "run",
    "sweep",
    "verify",
]
QUEUE = "retention:retention"
# More than all that follows from what was asked: each account due is a batch at most, each sweep some messages a lane.
ENOUGH = 5000

EDGES = [0, -1, 2**15, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, -(2**63), 10**40, True, False]
numbers = st.integers(1, 6) | st.integers(1, 6) | st.sampled_from(EDGES) | st.integers()
words = st.sampled_from(["purge", "counter_only", "all", "mori", "beat", "worker", "山田"]) | texts


@pytest.fixture
def hand(by_hand, engine, tmp_path):
    """Sweeps in every state, with accounts due that one of them may act on."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "there").touch()
    hand = by_hand(documents_url=f"file://{tmp_path}/documents", export_url=str(tmp_path / "log"), ceiling_accounts=50)
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
            a_hold(connection, closable(connection))
    assert hand.carry_out(hand.request("purge")).status == "done"
    with engine.begin() as connection:
        for _ in range(40):
            closable(connection)
    assert hand.sweep(hand.request("counter_only")).status == "running"
    with engine.begin() as connection:
        for _ in range(60):
            purgeable(connection)
    assert hand.sweep(hand.request("purge")).status == "held"
    hand.request("counter_only")
    hand.run("INSERT INTO doomed_files (storage_key, sweep_id) SELECT '4711/' || n, 1 FROM generate_series(1, 9) AS n")
    journal.begin(engine)
    return hand


@st.composite
def calls(draw):
    """Draw a task's name with arguments, by position or by name."""
    task = draw(st.sampled_from(TASKS))
    wanted = {"drain": 3, "sweep": 1, "reconcile": 1, "erase_files": 1}.get(task, 0)
    args = draw(st.lists(numbers | st.none(), min_size=max(wanted - 1, 0), max_size=wanted))
    named = dict.fromkeys(["policy", "actor", "reason"] if task == "run" else [])
    return task, args, {name: draw(words) for name in named}


def taken(hand, message):
    """Let a task work on a message as a worker would; returns whether the message was taken at all."""
    try:
        message = ours(message)
    except NotOursError:
        return False
    args, kwargs, _ = json.loads(b64decode(message["body"]))
    with suppress(Refused):
        hand.app.tasks[message["headers"]["task"]].apply(args, kwargs, throw=True)
    return True


def test_any_arguments_are_refused_or_harmless(hand, engine, broker_url):
    @examples(60, shrinking=False)
    @given(calls())
    @example(("drain", [2, 2**31, None], {}))
    @example(("drain", [2, -1, None], {}))
    @example(("drain", [2**60, 0, 1], {}))
    @example(("sweep", [True], {}))
    @example(("erase_files", [2**40], {}))
    def check(call):
        task, args, kwargs = call
        taken(hand, message_of_ours(f"retention.{task}", tuple(args), **kwargs))
        assert not [row for row in hand.sweeps() if row[2] == "failed"]
        assert hand.rows("SELECT id FROM sweeps WHERE attempts > 0") == []
        assert journal.unrecorded(engine) == {}

    check()
    with redis_client(broker_url) as client:
        followed = 0
        while (raw := client.rpop(QUEUE)) is not None:
            assert taken(hand, json.loads(raw))
            followed += 1
            assert followed < ENOUGH, "it goes on and on"
    assert followed
    assert hand.rows("SELECT * FROM pauses") == []
    assert hand.carry_out(2).status == "done"
    assert hand.row(3).status == "held"
    assert journal.unrecorded(engine) == {}


def test_every_task_is_among_those_tried(hand):
    assert {f"retention.{task}" for task in TASKS} == {name for name in hand.app.tasks if name.startswith("retention.")}
    assert max(len(signature(hand.app.tasks[f"retention.{task}"].run).parameters) for task in TASKS) == 3
