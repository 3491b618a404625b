"""Guessing a password: it tells nothing, costs the same, and is counted; where the count is lost, nobody gets in."""

from threading import Barrier, Thread

import pytest
from argon2 import PasswordHasher
from builders import an_account
from people import HASHER
from redis import Redis
from sqlalchemy import text

from models.errors import CredentialsError, TooManyAttemptsError, Unavailable
from tasks.guesses import ATTEMPTS, FORGOTTEN_SECONDS, OPENS, Guesses
from tasks.passwords import Passwords
from tasks.transitions import Credentials, Transitions
from worker.broker import redis_client

OWN = Credentials("owner@example.jp", "open sesame")
WRONG = Credentials("OWNER@example.jp", "open barley")
NOBODY = Credentials("nobody@example.jp", "open barley")


class CountingHasher(PasswordHasher):
    """Counts what is computed, by the parameters it is computed with."""

    computed: list[str]

    def verify(self, hash, password):  # noqa: A002 - argon2's name
        self.computed.append(hash.rsplit("$", 2)[0])
        return super().verify(hash, password)


@pytest.fixture
def redis(broker_url):
    with redis_client(broker_url) as client:
        yield client


@pytest.fixture
def person(engine, policies, redis):
    return Transitions(engine, policies, Passwords(HASHER), Guesses(engine, redis))


@pytest.fixture
def account_id(person):
    return person.register(OWN)


def refusals(person, credentials, times):
    """What each of so many attempts was answered."""
    answers = []
    for _ in range(times):
        with pytest.raises((CredentialsError, TooManyAttemptsError)) as refusal:
            person.reactivate(credentials)
        answers.append(str(refusal.value))
    return answers


def test_the_answer_is_the_same_whether_the_address_exists_or_not(person, account_id):
    person.withdraw(account_id)
    assert refusals(person, WRONG, ATTEMPTS + 2) == refusals(person, NOBODY, ATTEMPTS + 2)


def test_the_database_and_redis_are_asked_the_same_whether_the_address_exists_or_not(engine, person, redis, account_id):
    refusals(person, NOBODY, 1)
    asked = []
    for credentials in (WRONG, NOBODY):
        redis.config_resetstat()
        refusals(person, credentials, 1)
        asked.append({name: each["calls"] for name, each in redis.info("commandstats").items()})
    assert asked[0] == asked[1]


@pytest.mark.parametrize("stored", [None, "", "plain text", "$2b$12$of.another.kind"])
def test_one_comparison_is_computed_whatever_is_stored(stored):
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    hasher.computed = []
    passwords = Passwords(hasher)
    assert not passwords.fits(passwords.hash("another"), "open barley")
    (usual,) = hasher.computed
    hasher.computed.clear()
    assert not passwords.fits(stored, "open barley")
    assert hasher.computed[-1] == usual
    assert hasher.computed.count(usual) == 1


def test_the_password_of_nobody_opens_nothing():
    passwords = Passwords(HASHER)
    for stored in (None, "", "plain text"):
        assert not passwords.fits(stored, "the password of nobody")
        assert not passwords.fits(stored, stored or "")


def test_a_hash_hides_the_password_and_fits_only_it():
    passwords = Passwords()
    stored = passwords.hash("open sesame")
    assert stored.startswith("$argon2id$")
    assert passwords.fits(stored, "open sesame")
    assert not passwords.fits(stored, "Open sesame")
    assert passwords.hash("open sesame") != stored


def test_after_some_attempts_the_right_password_does_not_help_either(person, account_id):
    refusals(person, WRONG, ATTEMPTS)
    with pytest.raises(TooManyAttemptsError, match="wait 15 minutes"):
        person.log_in(OWN)


def test_attempts_are_counted_per_account_also_under_another_address(engine, person, account_id):
    refusals(person, WRONG, ATTEMPTS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET email = 'moved@example.jp'"))
    with pytest.raises(TooManyAttemptsError):
        person.log_in(Credentials("moved@example.jp", OWN.password))


def test_attempts_are_counted_per_address_also_for_another_account(engine, person, account_id):
    refusals(person, WRONG, ATTEMPTS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET email = NULL"))
        other = an_account(connection)
        hash_of = {"id": other, "email": OWN.email, "hash": HASHER.hash(OWN.password)}
        connection.execute(text("UPDATE accounts SET email = :email, password_hash = :hash WHERE id = :id"), hash_of)
    with pytest.raises(TooManyAttemptsError):
        person.log_in(OWN)


def test_others_are_not_kept_out(person, account_id):
    refusals(person, NOBODY, ATTEMPTS + 1)
    assert person.log_in(OWN) == account_id


def test_the_right_password_starts_the_count_anew(person, account_id):
    for _ in range(3):
        refusals(person, WRONG, ATTEMPTS - 1)
        assert person.log_in(OWN) == account_id


def test_a_burst_gains_nothing(engine, policies, broker_url, account_id):
    """Attempts are counted before the comparison: who asks ten times at once is compared five times."""
    together, answers = Barrier(10), []

    def guess():
        with redis_client(broker_url) as own:
            person = Transitions(engine, policies, Passwords(HASHER), Guesses(engine, own))
            together.wait()
            try:
                person.log_in(WRONG)
            except (CredentialsError, TooManyAttemptsError) as error:
                answers.append(type(error))

    threads = [Thread(target=guess) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(CredentialsError) <= ATTEMPTS
    assert len(answers) == 10


def test_when_redis_has_forgotten_nobody_is_let_in_for_a_short_time_and_it_says_so(person, redis, account_id):
    assert person.log_in(OWN) == account_id
    redis.flushdb()
    for _ in range(2):
        with pytest.raises(
            TooManyAttemptsError, match=rf"Redis lost its memory.*in ({FORGOTTEN_SECONDS}|\d\d?) seconds"
        ):
            person.log_in(OWN)
    redis.set(OPENS, float(redis.get(OPENS)) - FORGOTTEN_SECONDS)  # as if that time had passed
    assert person.log_in(OWN) == account_id


def test_the_very_first_attempt_is_no_forgetting(person, account_id):
    assert person.log_in(OWN) == account_id


def test_without_redis_nobody_is_let_in_uncounted(engine, policies, account_id):
    nowhere = redis_client("redis://127.0.0.1:1/0")
    person = Transitions(engine, policies, Passwords(HASHER), Guesses(engine, nowhere))
    with pytest.raises(Unavailable, match="attempts cannot be counted"):
        person.log_in(OWN)


def test_redis_learns_no_address(person, redis, account_id):
    refusals(person, WRONG, 1)
    refusals(person, NOBODY, 1)
    keys = b" ".join(redis.keys("*"))
    assert b"guesses" in keys
    assert b"example" not in keys
    assert all(redis.ttl(key) > 0 for key in redis.keys("*") if key != OPENS.encode())


@pytest.mark.parametrize(
    ("broker", "kwargs"),
    [
        ("redis+socket:///run/valkey.sock?virtual_host=3", {"path": "/run/valkey.sock", "db": 3}),
        ("redis://:secret@host:6380/2", {"host": "host", "port": 6380, "db": 2, "password": "secret"}),
        ("rediss://host/1?ssl_cert_reqs=CERT_REQUIRED", {"host": "host", "db": 1, "ssl_cert_reqs": "required"}),
    ],
)
def test_guesses_are_counted_where_the_broker_is(broker, kwargs):
    client = redis_client(broker)
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_kwargs.items() >= kwargs.items()
