"""Guesses: how often a password may be tried. Redis counts; where it has forgotten, nobody is let in for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from models.errors import TooManyAttemptsError, Unavailable
from tasks.statements.sweeps import begin_memory
from tasks.transaction import transaction

__all__ = ["Guesses"]

ATTEMPTS, MINUTES = 5, 15
FORGOTTEN_SECONDS = 30
PREFIX = "retention:guesses"
OPENS = f"{PREFIX}:opens"


class Guesses:
    """Counts attempts per account and per address, before each comparison, so that a burst gains nothing.

    Redis may lose what it knows. That the counting began once is a row in PostgreSQL; where Redis does not know of
    it, earlier attempts are forgotten, and all are refused until an honest guesser would be tired.
    """

    def __init__(self, engine: Engine, redis: Redis) -> None:
        self._engine = engine
        self._redis = redis
        self._limit = RateLimitItemPerMinute(ATTEMPTS, MINUTES)

    def admit(self, account_id: int | None, address: str) -> None:
        """Count one attempt.

        Args:
            account_id: whose password is tried; None where nobody has the address, which costs the same.
            address: in the form in which addresses are compared; kept as a digest only, for as long as it counts.

        Raises:
            TooManyAttemptsError: there were too many of late, or nobody knows how many.
            Unavailable: Redis or the database does not answer; nobody is let in uncounted.
        """
        with _answering():
            self._require_memory()
            limiter = self._limiter()
            admitted = [limiter.hit(self._limit, key) for key in _keys(account_id, address)]
        if not all(admitted):
            raise TooManyAttemptsError(f"too many attempts; wait {MINUTES} minutes, or ask an office")

    def forget(self, account_id: int | None, address: str) -> None:
        """Start counting anew, after a right password."""
        with _answering():
            limiter = self._limiter()
            for key in _keys(account_id, address):
                limiter.clear(self._limit, key)

    def _limiter(self) -> MovingWindowRateLimiter:
        pool = self._redis.connection_pool
        return MovingWindowRateLimiter(
            RedisStorage("redis://", connection_pool=pool, key_prefix=PREFIX, wrap_exceptions=True)
        )

    def _require_memory(self) -> None:
        """Refuse while Redis is known to have forgotten earlier attempts."""
        seconds = (self._opens() or self._begin()) - self._clock()
        if seconds > 0:
            raise TooManyAttemptsError(
                "earlier attempts are forgotten, because Redis lost its memory, so nobody is let in for a short "
                f"time; try again in {int(seconds) + 1} seconds"
            )

    def _begin(self) -> float:
        """Write down from when on attempts are let in; whoever comes first decides for all."""
        with transaction(self._engine) as connection:
            first_ever = connection.execute(begin_memory("guesses")).scalar_one_or_none() is not None
        opens = self._clock() + (0 if first_ever else FORGOTTEN_SECONDS)
        self._redis.set(OPENS, opens, nx=True)
        return self._opens() or opens

    def _opens(self) -> float | None:
        opens = self._redis.get(OPENS)
        return None if opens is None else float(opens)

    def _clock(self) -> float:
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) / 1_000_000


def _keys(account_id: int | None, address: str) -> tuple[str, str]:
    digest = sha256(address.encode()).hexdigest()
    return f"account/{digest if account_id is None else account_id}", f"address/{digest}"


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, StorageError, OSError):
        raise Unavailable(
            "attempts cannot be counted, because Redis does not answer, so nobody is let in; "
            "start it, or set RETENTION_BROKER_URL to where it is"
        ) from None
