"""What an attempt with a wrong password takes, at addresses that exist and at addresses that do not."""

from contextlib import suppress
from time import perf_counter

from sqlalchemy import text

from benchmarks.measures import Bench
from models import Policies
from models.errors import CredentialsError
from tasks.guesses import Guesses
from tasks.passwords import Passwords
from tasks.transitions import Credentials, Transitions
from worker.broker import redis_client
from worker.database import migrate

__all__ = ["guessing"]

EXISTS, DOES_NOT = "attempt at an address that exists ms", "attempt at an address that does not ms"
INSERT = text(
    "INSERT INTO accounts (registration, state, email, password_hash, withdrawn_at)"
    " SELECT 'online', 'withdrawn', 'someone' || n || '@example.jp', :hash, now()"
    " FROM generate_series(1, :accounts) AS n"
)


def guessing(bench: Bench, attempts: int, policies: Policies) -> None:
    """Try a wrong password at addresses of both kinds by turns, each once: milliseconds."""
    passwords = Passwords()
    with bench.database() as (_, engine), redis_client(bench.broker_url) as redis:
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(INSERT, {"hash": passwords.hash("the right one"), "accounts": attempts})
        person = Transitions(engine, policies, passwords, Guesses(redis))
        _attempt(person, "warm.up@example.jp")
        for number in range(1, attempts + 1):
            kinds = [(EXISTS, "someone"), (DOES_NOT, "no.one")]
            for name, who in kinds if number % 2 else kinds[::-1]:
                bench.note(name, _attempt(person, f"{who}{number}@example.jp"))
    bench.say(f"tried {attempts} addresses of each kind")


def _attempt(person: Transitions, email: str) -> float:
    began = perf_counter()
    with suppress(CredentialsError):
        person.reactivate(Credentials(email, "a wrong one"))
    return (perf_counter() - began) * 1000
