"""Messages as somebody could put them into Redis who wants to do harm: one of ours, with a part of it changed."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from celery import Celery
from fuzzing import places, values
from hypothesis import strategies as st

__all__ = ["HOSTILE", "changed", "message_of_ours", "question_of_ours"]

ANOTHER_TASK = {"task": "retention.recover", "args": [], "kwargs": {}, "options": {}}
FAR = "2031-01-01T00:00:00+00:00"


def message_of_ours(task: str = "retention.sweep", args: tuple[Any, ...] = (1,), **kwargs: Any) -> dict[str, Any]:
    """Return what is put into Redis for a task, by Celery itself."""
    sent: list[dict[str, Any]] = []
    app = Celery("somebody", broker="memory://")
    app.conf.task_default_queue = "retention"
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel._put = lambda _queue, message, **_: sent.append(message)
        app.send_task(task, args, kwargs, connection=connection, expires=55)
    return json.loads(json.dumps(sent[0]))  # type: ignore[no-any-return]


def question_of_ours(asked: Any) -> dict[str, Any]:
    """Return what all workers are sent for a remote control command, with any body."""
    message = message_of_ours()
    properties = message["properties"] | {"delivery_info": {"exchange": "celery.pidbox", "routing_key": ""}}
    del properties["correlation_id"]
    body = b64encode(json.dumps(asked).encode()).decode()
    return message | {"headers": {"clock": 1, "expires": 1.5}, "properties": properties, "body": body}


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(message: dict[str, Any]) -> None:
        *before, last = path
        for name in before:
            message = message[name]
        message[last] = to

    return change


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(message: dict[str, Any]) -> None:
        *before, last = path
        for name in before:
            message = message[name]
        del message[last]

    return change


def _body(args: Any = (1,), kwargs: Any = None, **canvas: Any) -> Callable[[dict[str, Any]], None]:
    return _set("body", to=b64encode(json.dumps([args, kwargs or {}, canvas]).encode()).decode())


def _encoded(body: bytes) -> Callable[[dict[str, Any]], None]:
    return _set("body", to=b64encode(body).decode())


# What is changed, and the part that the log names.
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown task": (_set("headers", "task", to="os.system"), "headers.task"),
    "task of Celery's own": (_set("headers", "task", to="celery.chord_unlock"), "headers.task"),
    "no task": (_without("headers", "task"), "headers.task"),
    "no id": (_without("headers", "id"), "headers.id"),
    "id with words": (_set("headers", "id", to="taro.yamada, 1985"), "headers.id"),
    "no headers": (_set("headers", to=None), "headers"),
    "another name in the log": (_set("headers", "shadow", to="harmless"), "headers.shadow"),
    "no time to work in": (_set("headers", "timelimit", to=[0.001, 0.001]), "headers.timelimit.0"),
    "far retries": (_set("headers", "retries", to=10**6), "headers.retries"),
    "far in the future": (_set("headers", "eta", to=FAR), "headers.eta"),
    "no moment": (_set("headers", "eta", to="tomorrow"), "headers.eta"),
    "before all time": (_set("headers", "expires", to="0001-01-01T00:00:00+14:00"), "headers.expires"),
    "of a group": (_set("headers", "group", to="g"), "headers.group"),
    "compressed": (_set("headers", "compression", to="application/x-gzip"), "headers.compression"),
    "pickle": (_set("content-type", to="application/x-python-serialize"), "content-type"),
    "another alphabet": (_set("content-encoding", to="utf-7"), "content-encoding"),
    "no properties": (_without("properties"), "properties"),
    "no tag": (_without("properties", "delivery_tag"), "properties.delivery_tag"),
    "a tag that is none": (_set("properties", "delivery_tag", to={}), "properties.delivery_tag"),
    "no routing": (_set("properties", "delivery_info", to=None), "properties.delivery_info"),
    "body as it is": (_set("body", to="[[1], {}, {}]"), "body"),
    "body of nothing": (_set("body", to=""), "body"),
    "body of a number": (_set("body", to=7), "body"),
    "endless body": (_set("body", to="A" * 10_000_000), "body"),
    "deep body": (_encoded(b"[" * 5_000), "body"),
    "body that is no text": (_encoded(b"\xff\xfe\x00"), "body"),
    "body of a moment": (_encoded(b'[{"__type__": "datetime", "__value__": 7}, {}, {}]'), "body"),
    "arguments that are none": (_body(args="args"), "body"),
    "too many arguments": (_body(args=[1, 2, 3]), "body"),
    "unknown argument": (_body(kwargs={"cutoff": "2100-01-01"}), "body"),
    "words for a number": (_body(args=["1; DROP TABLE accounts"]), "body"),
    "a number beyond all": (_body(args=[2**63]), "body"),
    "nothing for a number": (_body(args=[None]), "body"),
    "calls another task": (_body(callbacks=[ANOTHER_TASK]), "body.callbacks"),
    "calls another task where it fails": (_body(errbacks=[ANOTHER_TASK]), "body.errbacks"),
    "goes on with another": (_body(chain=[ANOTHER_TASK]), "body.chain"),
    "ends in another": (_body(chord=ANOTHER_TASK), "body.chord"),
}


@st.composite
def changed(draw: st.DrawFn, message: dict[str, Any]) -> Any:
    """Draw a message in which anything may be something else, its arguments too."""
    opened = deepcopy(message)
    opened["body"] = json.loads(b64decode(opened["body"]))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(opened)))
        value = draw(values)
        if not place:
            return value
        part = opened
        for name in place[:-1]:
            part = part[name]
        if draw(st.booleans()) or not isinstance(part, dict):
            part[place[-1]] = value
        else:
            del part[place[-1]]
        if not isinstance(opened.get("body"), list):
            return opened
    opened["body"] = b64encode(json.dumps(opened["body"]).encode()).decode()
    return opened
