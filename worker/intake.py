"""What a worker takes from Redis: messages whose every part is as ours are; any other is refused.

Celery trusts a message. One that it cannot read ends the worker, is given back by it, and ends the next; one that it
can read may name a time limit, a time to run at, or further tasks to call. So it does remote control, by which it would
listen to another queue, forbid a task its time, or end. Whoever can write to Redis could use that.
"""

from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, get_args

from celery import current_app
from kombu.transport import redis
from kombu.utils.json import dumps, loads
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from celeryconfig import broker_transport_options

__all__ = ["REPLIES", "NotOursError", "asking", "ours"]

# Where Celery has what workers answer sent.
Replies = Literal["reply.celery.pidbox"]
(REPLIES,) = get_args(Replies)

# A message that waits for longer than this is delivered again meanwhile, and again: Celery asks that none do.
MOST_DELAY = timedelta(seconds=cast("int", broker_transport_options["visibility_timeout"]))
MOST_WORDS = 1000
MOST_NUMBER = 2**63


class NotOursError(Exception):
    """Says which part of a message is not as ours are, in our own words."""


def _moment(written: str) -> str:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None or not datetime(2000, 1, 1, tzinfo=UTC) < moment < datetime(2200, 1, 1, tzinfo=UTC):
        raise ValueError("not a moment of this age, with its offset")
    return moment.isoformat()


def _soon(written: str) -> str:
    moment = _moment(written)
    if datetime.fromisoformat(moment) > datetime.now(UTC) + MOST_DELAY:
        raise ValueError("later than a message may wait")
    return moment


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@:-]{1,200}$")]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True)


_P = TypeVar("_P", bound=_Part)


class _Headers(_Part):
    """All that is handed on of a message's headers; traces are followed by those of the W3C."""

    task: Name
    id: Name
    lang: Literal["py"] = "py"
    retries: int = Field(0, ge=0, le=100)
    eta: Annotated[str, AfterValidator(_soon)] | None = None
    expires: Annotated[str, AfterValidator(_moment)] | None = None
    timelimit: Annotated[list[None], Field(max_length=2)] | None = None
    root_id: Name | None = None
    parent_id: Name | None = None
    group: None = None
    shadow: None = None
    compression: None = None
    traceparent: Name | None = None
    tracestate: str | None = Field(None, max_length=512)


class _Delivery(_Part):
    exchange: Name | Literal[""]
    routing_key: Name | Literal[""]


class _Properties(_Part):
    """What kombu itself reads; how it is to be answered does not matter, as nothing is."""

    delivery_tag: Name
    delivery_info: _Delivery
    body_encoding: Literal["base64"]
    priority: int = Field(0, ge=0, le=9)


class _Envelope(_Part):
    body: str = Field(max_length=10 * MOST_WORDS)
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    properties: _Properties


class _TaskProperties(_Properties):
    correlation_id: Name


class _Message(_Envelope):
    headers: _Headers
    properties: _TaskProperties


class _Embedded(_Part):
    """Celery's canvas: further tasks that a message asks for. Ours ask for none."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


def _nothing(arguments: dict[str, Any]) -> dict[str, Any]:
    if any(arguments.values()):
        raise ValueError("more than a plain question")
    return arguments


class _ReplyTo(_Part):
    exchange: Replies
    routing_key: Name


class _Asked(_Part):
    """What Celery calls a remote control command: of those, what only tells something, or lets more be told.

    `celery inspect` names some arguments and leaves them empty; the worker is handed none.
    """

    method: Literal[
        "active", "active_queues", "enable_events", "ping", "registered", "reserved", "revoked", "scheduled", "stats"
    ]
    arguments: Annotated[dict[Name, Any], AfterValidator(_nothing)]
    destination: list[Name] | None = None
    pattern: None = None
    matcher: None = None
    ticket: Name | None = None
    reply_to: _ReplyTo | None = None


def asking(raw: Any) -> dict[str, Any]:
    """Return a question to this worker with nothing in it but what is asked, and where the answer is to go.

    Raises:
        NotOursError: it is none, or a command that would change what the worker does.
    """
    question = _checked(_Envelope, raw, "")
    asked = _checked(_Asked, _decoded(question.body), "body.").model_dump(exclude_none=True)
    body = redis.Channel.codecs["base64"].encode(dumps(asked | {"arguments": {}}))
    return question.model_dump(by_alias=True) | {"headers": {}, "body": body}


def ours(raw: Any) -> dict[str, Any]:
    """Return a message with nothing in it but what ours have.

    Raises:
        NotOursError: of the first part that no message of ours would have.
    """
    message = _checked(_Message, raw, "")
    task = current_app.tasks.get(message.headers.task)
    if task is None or not task.name.startswith("retention."):
        raise NotOursError("headers.task: there is no such task")
    args, kwargs = _called(message)
    _check_arguments(task, args, kwargs)
    told = {"argsrepr": repr(tuple(args)), "kwargsrepr": repr(kwargs)}
    return message.model_dump(by_alias=True, exclude_none=True) | {
        "headers": message.headers.model_dump(exclude_none=True) | told
    }


def _called(message: _Message) -> tuple[list[Any], dict[str, Any]]:
    match _decoded(message.body):
        case [list(args), dict(kwargs), embedded]:
            _checked(_Embedded, embedded, "body.")
            return args, kwargs
    raise NotOursError("body: it is not arguments as JSON")


def _decoded(body: str) -> Any:
    try:
        return loads(redis.Channel.codecs["base64"].decode(body))
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ):  # kombu decodes types too
        raise NotOursError("body: it is not JSON") from None


def _checked(part: type[_P], value: Any, where: str) -> _P:
    try:
        return part.model_validate(value)
    except ValidationError as error:
        # Only our own names of parts and kinds of faults: values and unknown names are somebody's words.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise NotOursError(f"{where}{place}: {first['type']}") from None


def _check_arguments(task: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Make sure that a task would take these arguments, each of the type that it names and of no absurd size."""
    called = signature(task.run)
    try:
        given = called.bind(*args, **kwargs).arguments
    except TypeError:
        raise NotOursError(f"body: not the arguments of {task.name}") from None
    for name, value in given.items():
        if not isinstance(value, called.parameters[name].annotation) or not _is_sane(value):
            raise NotOursError(f"body: {name} of {task.name} is no value that it takes")


def _is_sane(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= MOST_WORDS and value.isprintable()
        case bool():  # which Python takes for a number, and PostgreSQL does not
            return False
        case int():
            return -MOST_NUMBER <= value < MOST_NUMBER
        case _:
            return value is None
