"""Guesses: how often a password may be tried. Redis counts; where it has forgotten, nobody is let in for a while."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError

from models.errors import TooManyAttemptsError, Unavailable

__all__ = ["Attempt", "Guesses"]

ATTEMPTS, MINUTES = 5, 15
FORGOTTEN_SECONDS = 30
PREFIX = "retention:guesses"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a password.

    Attributes:
        number: of all attempts ever made in this database, from 1.
        key: this database's own.
        account_id: whose password is tried; None where nobody has the address, which costs the same.
        address: in the form in which addresses are compared; Redis gets a digest only, for as long as it counts.
    """

    number: int
    key: UUID
    account_id: int | None
    address: str

    @property
    def counters(self) -> tuple[str, str]:
        """Names under which it is counted: for the account, and for the address."""
        digest = hmac.digest(self.key.bytes, self.address.encode(), "sha256").hex()
        account = digest if self.account_id is None else self.account_id
        return f"{self.key}/account/{account}", f"{self.key}/address/{digest}"


class Guesses:
    """Counts attempts per account and per address, before each comparison, so that a burst gains nothing.

    Redis may lose what it knows, all of it or the last seconds. So it also counts all attempts, each before PostgreSQL
    does: where it knows of fewer than PostgreSQL, it has forgotten some, and nobody is let in for a short time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._limit = RateLimitItemPerMinute(ATTEMPTS, MINUTES)

    def expect(self, key: UUID) -> None:
        """Announce an attempt, before PostgreSQL gives it a number.

        Raises:
            Unavailable: Redis does not answer; nobody is let in uncounted.
        """
        with _answering():
            self._redis.incr(_all(key))

    def admit(self, attempt: Attempt) -> None:
        """Count one attempt.

        Raises:
            TooManyAttemptsError: there were too many of late, or nobody knows how many.
            Unavailable: Redis does not answer; nobody is let in uncounted.
        """
        with _answering():
            self._require_memory(attempt)
            limiter = self._limiter()
            admitted = [limiter.hit(self._limit, counter) for counter in attempt.counters]
        if not all(admitted):
            raise TooManyAttemptsError(f"too many attempts; wait {MINUTES} minutes, or ask an office")

    def forget(self, attempt: Attempt) -> None:
        """Start counting anew, after a right password."""
        with _answering():
            limiter = self._limiter()
            for counter in attempt.counters:
                limiter.clear(self._limit, counter)

    def _limiter(self) -> MovingWindowRateLimiter:
        pool = self._redis.connection_pool
        return MovingWindowRateLimiter(
            RedisStorage("redis://", connection_pool=pool, key_prefix=PREFIX, wrap_exceptions=True)
        )

    def _require_memory(self, attempt: Attempt) -> None:
        """Refuse where Redis has forgotten earlier attempts, and for a short time afterwards."""
        total, closed = _all(attempt.key), f"{PREFIX}:{attempt.key}/closed"
        if int(self._redis.get(total) or 0) < attempt.number:
            self._redis.set(total, attempt.number)
            self._redis.set(closed, 1, ex=FORGOTTEN_SECONDS)
        seconds = self._redis.ttl(closed)
        if seconds >= 0:
            raise TooManyAttemptsError(
                "earlier attempts are forgotten, because Redis lost its memory, so nobody is let in for a short "
                f"time; try again in {seconds + 1} seconds"
            )


def _all(key: UUID) -> str:
    return f"{PREFIX}:{key}/all"


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, StorageError, OSError):
        raise Unavailable(
            "attempts cannot be counted, because Redis does not answer, so nobody is let in; "
            "start it, or set RETENTION_BROKER_URL to where it is"
        ) from None
