"""What people do to accounts, in the database: addresses, the late worker, lost accounts, lost updates, holds."""

from datetime import UTC, datetime, timedelta

import pytest
from actor import Actor
from argon2 import PasswordHasher
from builders import a_hold, a_sweep, an_account, dependents
from people import HASHER, people
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from models import Account, Action, PolicyName, Receipt, Sweep
from models.errors import (
    AddressTakenError,
    CredentialsError,
    NoSuchAccountError,
    PendingApplicationError,
    Refused,
    WrongStateError,
)
from tasks import holds
from tasks.batch import run_batch
from tasks.explain import explain
from tasks.rules.cutoff import Cutoff
from tasks.transitions import Credentials

NOW = datetime.now(UTC)
LONG_WITHDRAWN, LONG_INVALID = NOW - timedelta(days=50), NOW - timedelta(days=3000)
OWN = Credentials("Taro.Yamada@example.jp", "open sesame")
SAME = [
    "taro.yamada@EXAMPLE.jp",
    "  Taro.Yamada@example.jp\n",
    OWN.email.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),  # as a Japanese keyboard may write it
    "\u3000Taro.Yamada@example.jp",
]
NO_ADDRESSES = ["", "taro", "@shop.jp", "taro@", "ta ro@shop.jp", "a\0@b", "a\ud800@b", "a" * 300 + "@b"]


@pytest.fixture
def person(engine, policies):
    return people(engine, policies)


def change(engine, statement, **values):
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def late(engine, account_id, column="withdrawn_at", at=LONG_WITHDRAWN):
    table, key = ("accounts", "id") if column == "withdrawn_at" else ("job_seekings", "account_id")
    change(engine, f"UPDATE {table} SET {column} = :at WHERE {key} = :id", id=account_id, at=at)


def a_late_account(engine, person, **invalid):
    """An account past its window that the worker has not come to."""
    account_id = person.register(OWN)
    person.withdraw(account_id)
    late(engine, account_id)
    if invalid:
        change(engine, "UPDATE job_seekings SET status = 'invalid', invalidated_at = :at", **invalid)
    return account_id


def state(engine, account_id):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT state FROM accounts WHERE id = :id"), {"id": account_id})


@pytest.mark.parametrize("typed", SAME)
def test_an_address_is_the_same_however_it_is_typed(person, typed):
    account_id = person.register(OWN)
    with pytest.raises(AddressTakenError, match="log in to that one"):
        person.register(Credentials(typed, "another"))
    assert person.log_in(Credentials(typed, OWN.password)) == account_id
    person.withdraw(account_id)
    with pytest.raises(AddressTakenError, match="reactivate that one instead"):
        person.register(Credentials(typed, "another"))
    assert person.reactivate(Credentials(typed, OWN.password)) == account_id


@pytest.mark.parametrize("written", SAME)
def test_it_does_not_matter_how_an_import_wrote_an_address(engine, person, written):
    account_id = person.register(OWN)
    change(engine, "UPDATE accounts SET email = :email", email=written)
    assert person.log_in(OWN) == account_id


@pytest.mark.parametrize("email", NO_ADDRESSES)
def test_what_is_no_address_is_refused_without_repeating_it(engine, person, email):
    with pytest.raises(Refused, match="no e-mail address") as refusal:
        person.register(Credentials(email, "password"))
    assert email.strip() == "" or email not in str(refusal.value)
    assert state(engine, 1) is None


@pytest.mark.parametrize("password", ["", " \t"])
def test_a_blank_password_is_refused(person, password):
    with pytest.raises(Refused, match="password is blank"):
        person.register(Credentials("a@example.jp", password))


def test_registering_with_the_address_of_a_late_account_moves_that_first_and_logs_it_like_any_other(
    engine, person, policies
):
    old = a_late_account(engine, person)
    with engine.begin() as connection:
        dependents(connection, old)
    new = person.register(OWN)
    assert (state(engine, old), state(engine, new)) == ("counter_only", "active")
    with engine.connect() as connection:
        action = connection.execute(select(Action.__table__)).one()
        receipt = connection.execute(select(Receipt.__table__)).one()
        sweep = connection.execute(select(Sweep.__table__)).one()
    assert (action.action, action.account_id, action.event_at) == ("counter_only", old, LONG_WITHDRAWN)
    assert action.due_at == policies.counter_only.due_from(LONG_WITHDRAWN)
    assert (action.sweep_id, action.receipt_id) == (sweep.id, receipt.id)
    assert (receipt.accounts, receipt.rows) == (1, {"accounts": 1, "login_sessions": 2})
    assert (sweep.status, sweep.due, sweep.tick) == ("done", 1, None)
    assert (sweep.actor, sweep.reason) == ("owner", "its address is given away")
    assert person.log_in(OWN) == new


def test_an_address_is_free_after_the_window_also_where_the_purge_is_due(engine, person):
    old = a_late_account(engine, person, at=LONG_INVALID)
    person.register(OWN)
    assert state(engine, old) == "counter_only"


def test_who_recovers_at_a_counter_is_recorded_as_who_asked_for_the_move_of_another(engine, person):
    a_late_account(engine, person)
    with engine.begin() as connection:
        mine = an_account(connection, state="counter_only")
    person.recover(mine, OWN, staff="0815", office="13010")
    with engine.connect() as connection:
        assert connection.scalar(select(Sweep.actor)) == "0815"


def test_recovering_ends_the_logins_of_before(engine, person):
    account_id = a_late_account(engine, person)
    with engine.begin() as connection:
        dependents(connection, account_id)
    person.recover(account_id, OWN, staff="0815", office="13010")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_sessions")) == 0


def test_who_logs_out_while_all_logins_end_harms_nobody(database_url, engine, policies):
    with engine.begin() as connection:
        account_id = an_account(connection)
        dependents(connection, account_id)
        connection.execute(text("UPDATE applications SET status = 'rejected'"))
    with engine.connect() as browser, browser.begin():
        browser.execute(text("DELETE FROM login_sessions WHERE id = 1"))
        owner = Actor(database_url, lambda own: people(own, policies).withdraw(account_id)).is_waiting(engine)
    assert owner.outcome() is None
    assert state(engine, account_id) == "withdrawn"


def test_who_has_the_old_password_does_not_get_in_by_it_while_it_is_changed(database_url, engine, policies, person):
    account_id = person.register(OWN)
    with engine.connect() as changing, changing.begin():
        changing.execute(text("UPDATE accounts SET password_hash = :hash"), {"hash": HASHER.hash("a new one")})
        owner = Actor(database_url, lambda own: people(own, policies).log_in(OWN)).is_waiting(engine)
    assert isinstance(owner.outcome(), CredentialsError)
    assert person.log_in(Credentials(OWN.email, "a new one")) == account_id


def test_a_hash_of_another_make_is_renewed_by_its_owner(engine, person):
    account_id = person.register(OWN)
    imported = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(OWN.password)
    change(engine, "UPDATE accounts SET password_hash = :hash", hash=imported)
    assert person.log_in(OWN) == account_id
    with engine.connect() as connection:
        stored = connection.scalar(select(Account.password_hash))
    assert stored != imported
    assert not HASHER.check_needs_rehash(stored)
    assert person.log_in(OWN) == account_id


def test_a_date_that_stands_for_unknown_harms_nobody(engine, person, policies):
    account_id = person.register(OWN)
    never = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    change(engine, "UPDATE job_seekings SET status = 'invalid', invalidated_at = :at", at=never)
    person.withdraw(account_id)
    late(engine, account_id, at=never)
    assert explain(engine, policies, account_id).effective_state == "withdrawn"
    with pytest.raises(WrongStateError):
        person.recover(account_id, OWN, staff="0815", office="13010")
    with pytest.raises(AddressTakenError):
        person.register(OWN)
    assert person.reactivate(OWN) == account_id


@pytest.mark.parametrize("keeper", ["hold", "anomaly"])
def test_the_address_of_an_account_that_nobody_may_touch_is_not_given_away(engine, person, keeper):
    old = a_late_account(engine, person, **({"at": None} if keeper == "anomaly" else {}))
    if keeper == "hold":
        holds.place(engine, old, actor="legal", reason="complaint")
    with pytest.raises(Refused, match="cannot be given away now"):
        person.register(OWN)
    assert state(engine, old) == "withdrawn"
    with engine.connect() as connection:
        assert connection.execute(select(Sweep.id)).all() == []


def test_recovering_with_the_address_of_another_late_account_moves_that_first(engine, person):
    old = a_late_account(engine, person)
    with engine.begin() as connection:
        mine = an_account(connection, state="counter_only")
    person.recover(mine, OWN, staff="0815", office="13010")
    assert (state(engine, old), state(engine, mine)) == ("counter_only", "active")


def test_recovering_a_late_account_with_its_own_address_is_no_conflict(engine, person):
    old = a_late_account(engine, person)
    person.recover(old, Credentials(OWN.email, "a new one"), staff="0815", office="13010")
    assert person.log_in(Credentials(OWN.email, "a new one")) == old
    with pytest.raises(CredentialsError):
        person.log_in(OWN)


def test_two_who_register_one_address_at_once_get_one_account(database_url, engine, policies):
    with engine.begin() as connection:
        old = an_account(connection)
        values = {"at": LONG_WITHDRAWN, "email": OWN.email.upper()}
        connection.execute(text("UPDATE accounts SET state = 'withdrawn', withdrawn_at = :at, email = :email"), values)
    # The first has locked whose address it takes, so it can be stopped there; the second then waits for that.
    first = Actor(database_url, lambda own: people(own, policies).register(OWN), stops=True).is_stopped()
    second = Actor(database_url, lambda own: people(own, policies).register(OWN)).is_waiting(engine)
    assert first.outcome() == old + 1
    assert isinstance(second.outcome(), AddressTakenError)


def test_an_address_that_an_import_has_just_written_is_taken(database_url, engine, policies):
    first = Actor(database_url, _write_slowly, stops=True).is_stopped()
    second = Actor(database_url, lambda own: people(own, policies).register(OWN)).is_waiting(engine)
    assert first.outcome() == 1
    assert isinstance(second.outcome(), AddressTakenError)


def _write_slowly(engine):
    """Write an account while holding a lock, which is where an actor stops."""
    with engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM sweeps FOR UPDATE"))
        connection.execute(
            text("INSERT INTO accounts (registration, email) VALUES ('online', :email)"), {"email": OWN.email.upper()}
        )
        return 1


def test_an_address_that_another_has_just_taken_is_refused_at_the_counter_too(database_url, engine, policies):
    with engine.begin() as connection:
        account_id = an_account(connection, state="counter_only")
    first = Actor(database_url, _write_slowly, stops=True).is_stopped()
    at_counter = Actor(
        database_url, lambda own: people(own, policies).recover(account_id, OWN, staff="0815", office="13010")
    ).is_waiting(engine)
    assert first.outcome() == 1
    assert isinstance(at_counter.outcome(), AddressTakenError)
    assert state(engine, account_id) == "counter_only"


def test_an_application_that_is_just_being_sent_keeps_its_sender_from_withdrawing(database_url, engine, policies):
    with engine.begin() as connection:
        account_id = an_account(connection)
    with engine.connect() as sender, sender.begin():
        sender.execute(text("INSERT INTO applications (account_id, kind, status) VALUES (1, 'self', 'pending')"))
        owner = Actor(database_url, lambda own: people(own, policies).withdraw(account_id)).is_waiting(engine)
    assert isinstance(owner.outcome(), PendingApplicationError)


def test_an_application_that_locks_nothing_loses_no_update(engine, policies):
    """The models are for others, too: whoever reads and writes without a lock is told that somebody came between."""
    with engine.begin() as connection:
        an_account(connection)
    with Session(engine) as one, Session(engine) as other:
        accounts = [session.get(Account, 1) for session in (one, other)]
        accounts[0].withdraw(now=NOW, by="owner", policies=policies)
        one.commit()
        with pytest.raises(StaleDataError):
            accounts[1].withdraw(now=NOW, by="owner", policies=policies)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM transitions")) == 1


ACTS = {
    "withdraw": lambda person: person.withdraw(1),
    "recover": lambda person: person.recover(1, OWN, staff="0815", office="13010"),
    "invalidate": lambda person: person.invalidate(1),
    "revalidate": lambda person: person.revalidate(1, by="0815", office="13010"),
    "hold": lambda person: holds.place(person.engine, 1, actor="legal", reason="complaint"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_an_act_on_an_account_that_is_gone_says_since_when(engine, person, policies, act):
    with pytest.raises(NoSuchAccountError, match=r"there is no account 1$"):
        act(person)
    with engine.begin() as connection:
        an_account(connection, status="invalid", invalidated_at=LONG_INVALID)
        cutoff = Cutoff.of(policies, PolicyName.PURGE, NOW)
        sweep_id = a_sweep(connection, cutoff, NOW)
    assert run_batch(engine, policies.purge, cutoff, sweep_id=sweep_id, lane=0, limit=1).accounts == 1
    with pytest.raises(NoSuchAccountError, match=r"account 1 was deleted for ever \(action 1 "):
        act(person)


def test_a_refusal_names_neither_address_nor_password(engine, person):
    account_id = person.register(OWN)
    acts = [
        lambda: person.register(OWN),
        lambda: person.reactivate(OWN),
        lambda: person.reactivate(Credentials(OWN.email, "wrong")),
        lambda: person.recover(account_id, OWN, staff="1", office="2"),
    ]
    for act in acts:
        with pytest.raises(Refused) as refusal:
            act()
        assert not any(each in str(refusal.value) for each in (OWN.email, OWN.password, "wrong"))
    assert repr(OWN) == "Credentials()"


def test_a_hold_keeps_the_worker_away_until_it_is_released_and_remains_as_history(engine):
    with engine.begin() as connection:
        account_id = an_account(connection)
    hold_id = holds.place(engine, account_id, actor="legal", reason="complaint")
    assert [row.id for row in holds.list_holds(engine, limit=10)] == [hold_id]
    released = holds.release(engine, hold_id, actor="mori", reason="settled")
    assert (released.released_by, released.release_reason) == ("mori", "settled")
    assert holds.list_holds(engine, limit=10) == []
    (row,) = holds.list_holds(engine, released=True, account_id=account_id, limit=10)
    assert (row.reason, row.placed_by, row.released_by, row.release_reason) == ("complaint", "legal", "mori", "settled")
    assert row.placed_at < row.released_at
    with pytest.raises(Refused, match="was released already"):
        holds.release(engine, hold_id, actor="mori", reason="again")
    with pytest.raises(Refused, match="no hold 99"):
        holds.release(engine, 99, actor="mori", reason="none")


def test_people_go_on_under_a_hold(engine, person):
    account_id = person.register(OWN)
    with engine.begin() as connection:
        a_hold(connection, account_id)
    person.withdraw(account_id)
    assert person.reactivate(OWN) == account_id
    with pytest.raises(WrongStateError):
        person.reactivate(OWN)
