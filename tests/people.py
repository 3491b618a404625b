"""People for the tests: every transition, with passwords that cost little and nobody who counts guesses."""

from argon2 import PasswordHasher
from sqlalchemy import Engine

from models import Policies
from tasks.passwords import Passwords
from tasks.transitions import Transitions

__all__ = ["HASHER", "people"]

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class NoLimit:
    """Lets everybody guess; how often they may is tested in `test_guesses.py`."""

    def admit(self, *_: object) -> None:
        """Let anybody in."""

    expect = forget = admit


def people(engine: Engine, policies: Policies) -> Transitions:
    """Return the transitions of people on this database."""
    return Transitions(engine, policies, Passwords(HASHER), NoLimit())
