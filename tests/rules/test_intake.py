"""A message is taken only where every part of it is as ours are; nothing else than a refusal comes of any other."""

import json
from base64 import b64decode
from contextlib import suppress
from copy import deepcopy

import pytest
from fuzzing import altered, examples
from hostile import HOSTILE, changed, message_of_ours, question_of_ours
from hypothesis import given
from hypothesis import strategies as st

from worker.app import create_app
from worker.intake import NotOursError, asking, ours
from worker.servers import Addresses
from worker.settings import Settings

OURS = {
    "retention.dispatch": ((), {}),
    "retention.sweep": ((1,), {}),
    "retention.drain": ((1, 0, None), {}),
    "retention.reconcile": ((1,), {}),
    "retention.erase_files": ((), {"lane": 1}),
    "retention.run": ((), {"policy": "purge", "actor": "山田", "reason": "asked for"}),
}


@pytest.fixture(scope="module", autouse=True)
def _tasks():
    """Register the tasks, as a worker does."""
    create_app(Settings(), Addresses("postgresql+psycopg://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0"))


@pytest.mark.parametrize("task", OURS)
def test_a_message_of_ours_is_taken_with_all_that_celery_needs(task):
    args, kwargs = OURS[task]
    sent = message_of_ours(task, args, **kwargs)
    taken = ours(deepcopy(sent))
    assert taken["body"] == sent["body"]
    assert taken["headers"].keys() >= {"task", "id", "expires", "retries"}
    assert {name: sent["headers"][name] for name in ("task", "id", "retries")}.items() <= taken["headers"].items()
    assert taken["properties"]["delivery_tag"] == sent["properties"]["delivery_tag"]


def test_what_ours_do_not_say_is_not_handed_on():
    sent = message_of_ours()
    sent["headers"] |= {"callbacks": [1], "is_eager": True, "hostname": "another", "stamps": {"a": 1}}
    sent["properties"]["reply_to"] = "somewhere"
    taken = ours(sent)
    assert not {"callbacks", "is_eager", "hostname", "stamps"} & taken["headers"].keys()
    assert "reply_to" not in taken["properties"]


@pytest.mark.parametrize("how", HOSTILE)
def test_a_message_that_cannot_be_ours_is_refused_by_the_name_of_its_part(how):
    change, part = HOSTILE[how]
    message = message_of_ours()
    change(message)
    with pytest.raises(NotOursError) as refused:
        ours(message)
    assert str(refused.value).split(":")[0] == part


@examples(100)
@given(st.data())
def test_nothing_but_a_refusal_comes_of_any_other(data):
    message = data.draw(changed(message_of_ours()))
    with suppress(NotOursError):
        assert ours(json.loads(json.dumps(message)))["headers"]["task"].startswith("retention.")


def test_a_question_is_handed_on_without_anything_that_somebody_added():
    asked = {"method": "active", "arguments": {"safe": None, "taro": None}, "ticket": "1", "taro": 1}
    question = question_of_ours(asked)
    question["headers"] = {"clock": 2**63 - 1, "taro": 1}
    taken = asking(question)
    assert taken["headers"] == {}
    assert json.loads(b64decode(taken["body"])) == {"method": "active", "arguments": {}, "ticket": "1"}


@examples(100)
@given(st.data())
def test_nothing_but_an_answer_or_a_refusal_comes_of_any_question(data):
    asked = {"method": "registered", "arguments": {"taskinfoitems": []}, "destination": None, "ticket": "1"}
    question = question_of_ours(data.draw(altered(asked) | st.just(asked)))
    question = data.draw(altered(question) | st.just(question))
    with suppress(NotOursError):
        taken = json.loads(b64decode(asking(json.loads(json.dumps(question)))["body"]))
        assert taken["arguments"] == {}
        assert taken.keys() <= {"method", "arguments", "destination", "ticket", "reply_to"}


@examples(100)
@given(st.text(min_size=4))
def test_a_refusal_quotes_nothing(words):
    for place in ("headers", "properties"):
        message = message_of_ours()
        message[place][words] = words
        for name in message[place]:
            message[place][name] = f"secret {words}"
        with pytest.raises(NotOursError) as refused:
            ours(message)
        assert "secret" not in str(refused.value)
