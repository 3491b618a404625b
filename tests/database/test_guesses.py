"""Guessing a password: it tells nothing, costs the same, and is counted; where the count is lost, nobody gets in."""

from threading import Barrier, Thread

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from builders import an_account
from people import HASHER
from redis import Redis
from sqlalchemy import text

from models.errors import CredentialsError, TooManyAttemptsError, Unavailable
from tasks.guesses import ATTEMPTS, FORGOTTEN_SECONDS, Guesses
from tasks.passwords import Passwords
from tasks.transitions import Credentials, Transitions
from worker.broker import redis_client
from worker.database import connect, migrate
from worker.seed.population import HASH_OF_NOTHING

OWN = Credentials("owner@example.jp", "open sesame")
WRONG = Credentials("OWNER@example.jp", "open barley")
NOBODY = Credentials("nobody@example.jp", "open barley")


class CountingHasher(PasswordHasher):
    """Counts the comparisons that are really computed: each takes the time that its parameters ask for."""

    def __init__(self):
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.computed = []

    def verify(self, hash, password):  # noqa: A002 - argon2's name
        try:
            return super().verify(hash, password)
        except VerifyMismatchError:
            self.computed.append(hash.rsplit("$", 2)[0])
            raise


@pytest.fixture
def redis(broker_url):
    with redis_client(broker_url) as client:
        yield client


@pytest.fixture
def person(engine, policies, redis):
    return Transitions(engine, policies, Passwords(HASHER), Guesses(redis))


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


OURS = HASHER.hash("the right one")
# Cut to a length that no base64 has; one sign fewer or more can be read, now and then.
CUT_SHORT = OURS[:-6]
STORED = {
    "ours": OURS,
    "of nothing": HASH_OF_NOTHING.format(7),
    "none": None,
    "empty": "",
    "no hash": "plain text",
    "of another kind": "$2b$12$of.another.kind",
    "without parameters": "$argon2id$nonsense",
    "not in ASCII": "パスワード",
    "cut short": CUT_SHORT,
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED.keys())
def test_one_comparison_by_our_own_parameters_is_computed_whatever_is_stored(stored):
    hasher = CountingHasher()
    assert not Passwords(hasher).fits(stored, "open barley")
    assert hasher.computed.count("$argon2id$v=19$m=8,t=1,p=1") == 1


def test_a_made_up_population_has_hashes_that_take_as_long_as_any():
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(HASH_OF_NOTHING.format(7), "anything")
    assert not PasswordHasher().check_needs_rehash(HASH_OF_NOTHING.format(7))


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
    together, answers, hasher = Barrier(10), [], CountingHasher()
    passwords = Passwords(hasher)

    def guess():
        with redis_client(broker_url) as own:
            person = Transitions(engine, policies, passwords, Guesses(own))
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
    # Fewer than five where two are counted at once, one for the account first and the other for the address.
    assert 0 < len(hasher.computed) == answers.count(CredentialsError) <= ATTEMPTS
    assert answers.count(TooManyAttemptsError) == 10 - len(hasher.computed)


@pytest.mark.parametrize("forget", ["all", "the last"])
def test_when_redis_has_forgotten_nobody_is_let_in_for_a_short_time_and_it_says_so(person, redis, account_id, forget):
    assert person.log_in(OWN) == account_id
    refusals(person, WRONG, 1)
    (total,) = redis.keys("*/all")
    if forget == "all":
        redis.flushdb()
    else:
        redis.decr(total)
    for _ in range(2):
        with pytest.raises(TooManyAttemptsError, match=r"Redis lost its memory.*in \d\d? seconds"):
            person.log_in(OWN)
    (closed,) = redis.keys("*/closed")
    assert 0 < redis.ttl(closed) <= FORGOTTEN_SECONDS
    redis.delete(closed)  # as if that time had passed
    assert person.log_in(OWN) == account_id


def test_guesses_in_one_database_are_nothing_to_another_on_the_same_redis(
    person, redis, policies, another_database_url, account_id
):
    engine = connect(another_database_url)
    migrate(engine)
    other = Transitions(engine, policies, Passwords(HASHER), Guesses(redis))
    assert other.register(OWN) == account_id
    refusals(person, WRONG, ATTEMPTS)
    assert other.log_in(OWN) == account_id
    redis.flushdb()
    for each in (other, person):
        with pytest.raises(TooManyAttemptsError, match="lost its memory"):
            each.log_in(OWN)
    engine.dispose()


def test_the_very_first_attempt_is_no_forgetting(person, account_id):
    assert person.log_in(OWN) == account_id


def test_without_redis_nobody_is_let_in_uncounted(engine, policies, account_id):
    nowhere = redis_client("redis://127.0.0.1:1/0")
    person = Transitions(engine, policies, Passwords(HASHER), Guesses(nowhere))
    with pytest.raises(Unavailable, match="attempts cannot be counted"):
        person.log_in(OWN)


def test_redis_learns_no_address(person, redis, account_id):
    refusals(person, WRONG, 1)
    refusals(person, NOBODY, 1)
    keys = b" ".join(redis.keys("*"))
    assert b"guesses" in keys
    assert b"example" not in keys
    assert all(redis.ttl(key) > 0 for key in redis.keys("*") if not key.endswith(b"/all"))


@pytest.mark.parametrize("email", ["a\0@example.jp", "\udcff@example.jp", "", "@" * 300])
def test_what_cannot_be_an_address_fits_nothing(person, email):
    with pytest.raises(CredentialsError):
        person.log_in(Credentials(email, "open sesame"))


@pytest.mark.parametrize("password", ["", "\udcff", "\0", "x" * 10_000])
def test_what_can_hardly_be_a_password_fits_nothing(person, account_id, password):
    with pytest.raises(CredentialsError):
        person.log_in(Credentials(OWN.email, password))


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
