"""Wrong logins: so many from one address, then none for a while.

Nobody finds by trying a token that was made here; one that somebody thought up, perhaps.
"""

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from worker.web.problems import Problem

__all__ = ["WrongLogins"]

WRONG_PER_MINUTE = 20


class WrongLogins:
    """Counts them for this process, by the address that its connections come from: behind a proxy, the proxy's."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(WRONG_PER_MINUTE)

    def require_few(self, address: str) -> None:
        """Let an address try that was not wrong too often of late.

        Raises:
            Problem: 429, it was.
        """
        if not self._limiter.test(self._limit, address):
            raise Problem(429, "too many wrong tokens; wait a minute", {"Retry-After": "60"})

    def count(self, address: str) -> None:
        """Count a wrong one."""
        self._limiter.hit(self._limit, address)
