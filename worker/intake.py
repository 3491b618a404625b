"""What a worker takes from Redis: messages whose every part is as ours are; any other is dropped, and the log says so.

Celery trusts a message. One that it cannot read ends the worker, is given back by it, and ends the next; one that it
can read may name a time limit, a time to run at, or further tasks to call. Whoever can write to Redis could use that.
"""

import gc
from datetime import UTC, datetime, timedelta
from inspect import signature
from queue import Empty
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

import structlog
from celery import current_app
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.json import loads
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from redis.exceptions import OutOfMemoryError

from celeryconfig import broker_transport_options, task_default_queue
from tasks import events

__all__ = ["NotOursError", "ours", "take_only_ours"]

# A message that waits for longer than this is delivered again meanwhile, and again: Celery asks that none do.
MOST_DELAY = timedelta(seconds=cast("int", broker_transport_options["visibility_timeout"]))
MOST_WORDS = 1000
MOST_NUMBER = 2**63

log = structlog.get_logger()


def take_only_ours() -> None:
    """Let this process's connections to Redis take nothing from the queue but messages that could be ours."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))


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
    routing_key: Name


class _Properties(_Part):
    """What kombu itself reads; how it is to be answered does not matter, as nothing is."""

    delivery_tag: Name
    delivery_info: _Delivery
    body_encoding: Literal["base64"]
    correlation_id: Name
    priority: int = Field(0, ge=0, le=9)


class _Message(_Part):
    body: str = Field(max_length=10 * MOST_WORDS)
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


class _Embedded(_Part):
    """Celery's canvas: further tasks that a message asks for. Ours ask for none."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


class QoS(redis.QoS):
    """Messages that were taken and are not done; of those of a worker that died, each is given back."""

    channel: "Channel"
    is_full = False

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note who has a message; where Redis has no memory left for that, it is done all the same.

        Celery would end the worker, and the message be lost, which is taken from the queue already. Should this worker
        die over it, a later minute wakes what it was to wake. It is told once, until Redis notes one again.
        """
        try:
            super().append(message, delivery_tag)
        except OutOfMemoryError:
            super(redis.QoS, self).append(message, delivery_tag)
            if not self.is_full:
                log.warning(events.BROKER_FULL)
            self.is_full = True
        else:
            self.is_full = False

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Give a message back; where nobody can read what was kept of it, forget it, for others wait behind it."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except self.channel.expected_errors:
            raise
        except Exception:  # noqa: BLE001 - as in `Channel`
            with self.pipe_or_acquire(client=client) as pipe:
                self._remove_from_indices(tag, pipe).execute()  # type: ignore[attr-defined]
            _refuse("it cannot be given back")

    def forget(self) -> None:
        """Be no longer kept until the process ends, to give back then what nobody has acknowledged."""
        self._on_collect.cancel()  # type: ignore[attr-defined]  # kombu's stubs know less, here and below


class Channel(redis.Channel):
    """A channel that survives what is no message at all."""

    QoS = QoS
    connection: "Transport"
    connection_errors: tuple[type[Exception], ...]

    @property
    def expected_errors(self) -> tuple[type[Exception], ...]:
        """Those of Redis and of the network, which Celery knows how to wait out."""
        return (*self.connection_errors, *self.connection.channel_errors, Empty)

    def forget(self) -> None:
        """Give nothing back when the process ends: what it has taken is Redis' to deliver again."""
        if self._qos is not None:
            self._qos.forget()  # type: ignore[attr-defined]

    def _brpop_read(self, **options: Any) -> bool | None:
        self.connection.is_read = False
        try:
            return super()._brpop_read(**options)  # type: ignore[misc, no-any-return]  # kombu's stubs know less
        except self.expected_errors:
            raise
        except Exception:  # whatever reading somebody's bytes may raise
            if self.connection.is_read:
                raise
            _refuse("it is no JSON")
            return True


class Transport(redis.Transport):
    """Redis, but of the task queue only messages that could be ours."""

    Channel = Channel
    is_read = False
    # The one that the event loop polls, and what it does for that at each turn.
    polled: ClassVar[tuple["Transport", set[Any]] | None] = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let the loop poll this connection, and no longer the one before, which was lost.

        kombu keeps that for ever. Each time that Redis is away a worker would have three more sockets open, until they
        are as many as it may have, and it ends.
        """
        if Transport.polled is not None:
            lost, turns = Transport.polled
            loop.on_tick -= turns
            for channel in lost.channels or ():
                channel.forget()  # type: ignore[attr-defined]
        before = set(loop.on_tick)
        super().register_with_event_loop(connection, loop)
        Transport.polled = self, loop.on_tick - before
        # What was lost are cycles of objects, which a parent that does little would collect late.
        gc.collect()

    def _deliver(self, message: Any, queue: str | None) -> None:
        self.is_read = True
        if queue == task_default_queue:
            try:
                message = ours(message)
            except NotOursError as error:
                _refuse(str(error))
                return
        super()._deliver(message, queue)


def _refuse(reason: str) -> None:
    log.warning(events.MESSAGE_REFUSED, reason=reason)


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
    try:
        body = redis.Channel.codecs["base64"].decode(message.body)
        args, kwargs, embedded = loads(body)
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ):  # kombu decodes types too
        raise NotOursError("body: it is not arguments as JSON") from None
    _checked(_Embedded, embedded, "body.")
    if not (isinstance(args, list) and isinstance(kwargs, dict)):
        raise NotOursError("body: it is not arguments as JSON")
    return args, kwargs


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
