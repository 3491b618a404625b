"""How a worker is connected to Redis: it outlives what is no message, a Redis without memory, and the loss of it."""

import gc
from queue import Empty
from typing import Any, ClassVar, cast

import structlog
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import OutOfMemoryError

from celeryconfig import task_default_queue
from tasks import events
from worker.intake import REPLIES, NotOursError, asking, ours

__all__ = ["take_only_ours"]

log = structlog.get_logger()


def take_only_ours() -> None:
    """Let this process's connections to Redis take nothing but messages that could be ours, and plain questions."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))


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

    def _handle_message(self, client: Any, response: Any) -> dict[str, Any]:
        """Take what all workers are sent at once; what is no JSON is refused, where kombu would log it, or end."""
        heard = cast("dict[str, Any]", super()._handle_message(client, response))  # type: ignore[misc]
        if bytes_to_str(heard["type"]).endswith("message"):
            try:
                loads(bytes_to_str(heard["data"]))
            except Exception:  # noqa: BLE001 - whatever reading somebody's bytes may raise
                _refuse("it is no JSON")
                heard["data"] = None
        return heard


class Transport(redis.Transport):
    """Redis, but of what comes only messages that could be ours, and questions."""

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
            self._let_go(loop)
            # What was lost are cycles of objects, which a parent that does little would collect late.
            gc.collect()
        before = set(loop.on_tick)
        super().register_with_event_loop(connection, loop)
        Transport.polled = self, loop.on_tick - before

    @classmethod
    def _let_go(cls, loop: Any) -> None:
        lost, turns = cast("tuple[Transport, set[Any]]", cls.polled)
        Transport.polled = None
        loop.on_tick -= turns
        for channel in lost.channels or ():
            channel.forget()  # type: ignore[attr-defined]

    def _deliver(self, message: Any, queue: str | None) -> None:
        self.is_read = True
        try:
            # Nothing comes but tasks, answers to `celery inspect` where this process asked, and what workers are asked.
            if queue == task_default_queue:
                message = ours(message)
            elif not (queue or "").endswith(f".{REPLIES}"):
                message = asking(message)
        except NotOursError as error:
            _refuse(str(error))
            return
        super()._deliver(message, queue)


def _refuse(reason: str) -> None:
    log.warning(events.MESSAGE_REFUSED, reason=reason)
