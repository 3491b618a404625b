"""Sessions that were ended: remembered until they would be over anyway, here and, through Redis, by every server."""

from datetime import UTC, datetime
from time import monotonic

import structlog
from redis import Redis
from redis.exceptions import RedisError

from tasks import events

__all__ = ["Ended"]

PREFIX = "retention:web:ended:"
# How long a Redis that did not answer is left alone: who looks at the page meanwhile need not wait for it each time.
SILENCE_SECONDS = 10.0

log = structlog.get_logger()


class Ended:
    """The names of sessions that were ended.

    Redis only tells the other servers, and this one after a restart. Where it does not answer, nobody is shut out, for
    a pause must be possible just then: this process refuses what it was told itself.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._told: dict[str, datetime] = {}
        self._silent_until = 0.0

    def add(self, name: str, until: datetime) -> None:
        """Remember that a session was ended, until the instant it is over by itself."""
        now = datetime.now(UTC)
        self._told = {name: until for name, until in self._told.items() if until > now} | {name: until}
        try:
            self._redis.set(PREFIX + name, 1, exat=until)
        except (RedisError, OSError):
            log.warning(events.SESSION_END_UNTOLD)

    def __contains__(self, name: str) -> bool:
        if name in self._told:
            return True
        if monotonic() < self._silent_until:
            return False
        try:
            return bool(self._redis.exists(PREFIX + name))
        except (RedisError, OSError):
            self._silent_until = monotonic() + SILENCE_SECONDS
            return False
