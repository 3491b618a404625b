"""Lanes: a sweep's drains have numbers, as erasers do; nothing is at work in any other."""

from models.errors import Refused

__all__ = ["MOST_LANES", "require_lane"]

MOST_LANES = 64


def require_lane(lane: int) -> None:
    """Make sure that a lane is one that somebody could be sent to; it comes from a message.

    Raises:
        Refused: it is none, and what was to be done in it is not counted as a failure of its sweep.
    """
    if not 0 <= lane < MOST_LANES:
        raise Refused(f"there is no lane {lane}")
