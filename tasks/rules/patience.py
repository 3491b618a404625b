"""How long to wait before trying again what failed."""

from datetime import timedelta

__all__ = ["LONGEST", "distance"]

FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
DOUBLINGS = 6  # 64 minutes: no further power is needed, nor can one grow too large for a timedelta


def distance(attempts: int) -> timedelta:
    """Return the wait after the `attempts`-th failure: a minute, doubled each time, an hour at most."""
    times: int = 2 ** min(max(attempts - 1, 0), DOUBLINGS)
    return min(FIRST * times, LONGEST)
