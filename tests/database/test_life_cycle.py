"""Random lives on real PostgreSQL do what a model of the rules says, and would show a fault in any of them.

TEST_STEPS asks for so many steps, TEST_SEED for others: TEST_STEPS=100000 TEST_SEED=1000 pytest -s this file.
"""

import inspect
import os
import textwrap
from collections import Counter
from itertools import count
from time import monotonic

import pytest
from clock import DatabaseClock
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from random_life import Life

from models import Account, Application, Purge, calendar
from tasks import free_address
from tasks.passwords import Passwords
from tasks.statements import accounts, claim, counter_only, due, purge

# Hypothesis begins each run with examples that vary little, and goes on with mutations of those it has had. Many
# short runs, each with a seed of its own, have neither.
ROUND = settings(
    max_examples=9,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
STEPS, SEED = os.environ.get("TEST_STEPS"), int(os.environ.get("TEST_SEED", "0"))


@pytest.fixture
def live(engine, policies):
    """Live through random years for so many steps; returns what was met."""
    clock = DatabaseClock(engine)

    def live(steps, how=ROUND):
        met, began = Counter(), monotonic()
        try:
            for number in count(SEED):
                run_state_machine_as_test(seed(number)(lambda: Life(engine, clock, policies, met)), settings=how)
                if met["step", "done"] >= steps:
                    return met
        finally:
            seconds, done = monotonic() - began, met["step", "done"]
            print(f"\n{done} steps in {seconds:.1f} s, {done / seconds:.0f} a second; seeds {SEED} to {number}")

    return live


# Every transition of the diagram, as often as it is done, refused, or left to somebody else.
EVERY_TRANSITION = {
    "register": {"done", "moves another", "AddressTakenError", "Refused"},
    "withdraw": {"done", "PendingApplicationError", "WrongStateError", "NoSuchAccountError"},
    "reactivate": {"done", "CredentialsError", "WindowClosedError", "RetentionOverError", "WrongStateError"},
    "recover": {
        *("done", "moves another", "AddressTakenError", "Refused"),
        *("RetentionOverError", "WrongStateError", "NoSuchAccountError"),
    },
    "log_in": {"done", "CredentialsError", "WrongStateError"},
    "invalidate": {"done", "WrongStateError", "NoSuchAccountError"},
    "revalidate": {"done", "WrongStateError", "NoSuchAccountError"},
    "place": {"done", "NoSuchAccountError"},
    "release": {"done", "Refused"},
    "counter_only of active": {"not due"},
    "counter_only of withdrawn": {"due", "not due", "on hold", "anomaly", "left to the purge"},
    "counter_only of counter_only": {"not due"},
    "purge of active": {"due", "not due", "on hold"},
    "purge of withdrawn": {"due", "not due", "on hold", "anomaly"},
    "purge of counter_only": {"due", "not due", "on hold"},
}


# Showing the shortest way to a fault takes longer than all the rest.
@pytest.mark.timeout(0 if STEPS else 1200)
def test_people_and_sweeps_in_any_order_do_what_the_rules_say(live):
    met = live(int(STEPS or 3500))
    wanted = {(verb, outcome) for verb, outcomes in EVERY_TRANSITION.items() for outcome in outcomes}
    assert sorted(wanted - {*met}) == [], "not met in any example"


def plain(function):
    """Return the function behind a property, or behind what remembers its results."""
    return inspect.unwrap(getattr(function, "fget", function))


# What to change in which function's text; in two, where each alone would be another fault. The seeds are those of the
# test above, so that it is the fault that is found.
FAULTS = {
    "the window is a day longer": [
        (calendar.window_closes, "days + 1", "days + 2"),
        (calendar.window_cutoff, "days=days", "days=days + 1"),
    ],
    "the window is a day shorter": [
        (calendar.window_closes, "days + 1", "days"),
        (calendar.window_cutoff, "days=days", "days=days - 1"),
    ],
    "the window is a day longer for people alone": [(calendar.window_closes, "days + 1", "days + 2")],
    "the window is a day shorter for the worker alone": [(calendar.window_cutoff, "days=days", "days=days - 1")],
    "a window that begins at midnight is a day shorter": [
        (due._has_reached, "event_at < cutoff", "event_at <= cutoff")
    ],
    "the years count from the day of the event": [
        (calendar.first_day_counted, "return day + ONE_DAY", "return day"),
    ],
    "the years end a day late": [
        (calendar.retention_cutoff, "(corresponding, zone)", "(corresponding - ONE_DAY, zone)")
    ],
    "the years are four": [
        (calendar.retention_ends, "first.year + years)", "first.year + years - 1)"),
        (calendar.retention_cutoff, "day.year - years)", "day.year - years + 1)"),
    ],
    "a missing 29 February ends a day early": [(calendar.retention_ends, "years, 3, 1", "years, 2, 28")],
    "a late worker leaves the window open": [(Account.effective_state, "if self.state", "if False and self.state")],
    "a pending application keeps nobody": [(Application.is_pending_self_made, "return", "return False and")],
    "withdrawing does not end logins": [(Account.withdraw, "self.login_sessions.clear()", "pass")],
    "reactivating does not ask for the purge": [(Account.reactivate, "self._require_retained(now, policies)", "pass")],
    "reactivating does not ask since when": [(Account.reactivate, "self.withdrawn_at is None", "False")],
    "recovering does not ask for the purge": [(Account.recover, "self._require_retained(now, policies)", "pass")],
    "recovering is allowed inside the window": [(Account.recover, "state is State.WITHDRAWN", "False")],
    "recovering does not make an office registrant": [
        (Account.recover, "= Registration.HELLOWORK", "= self.registration")
    ],
    "whoever has withdrawn revalidates alone": [(Account.revalidate, "if office is None", "if False")],
    "an office that revalidates registers nobody": [
        (Account.revalidate, "= Registration.HELLOWORK", "= self.registration")
    ],
    "recovering does not end logins": [(Account.recover, "self.login_sessions.clear()", "pass")],
    "revalidating does not stop the years": [
        (Account.revalidate, "Status.VALID, None", "Status.VALID, job_seeking.invalidated_at")
    ],
    "a withdrawn account can be logged in to": [(Account.log_in, "self._require_active", "(lambda *_: None)")],
    "any password fits": [(Passwords.fits, "return fits", "return True")],
    "no history is written": [(Account._record, "self.history.append", "bool")],
    "nothing is ever on hold": [(due._hold, "Hold.account_id == Account.id", "Hold.account_id < 0")],
    "a hold is for ever": [(due._hold, ", *which", "")],
    "an anomaly of the account is purged": [
        (due._candidates, "or_(*account_anomalies(now).values()).is_not(True)", "")
    ],
    "an anomaly of the job seeking is moved": [(due._reached, "*job_seeking_anomalies(now).values(),", "")],
    "closing a window goes before the purge": [
        (due._reached, "JobSeeking.invalidated_at <= cutoff.purge_at", "Account.id < 0")
    ],
    "closing a window keeps the address": [
        (counter_only._moved, "**WITHOUT_CREDENTIALS", "**{**WITHOUT_CREDENTIALS, 'email': Account.email}")
    ],
    "closing a window keeps logins": [
        (
            counter_only.moved_rows,
            "among(LoginSession.account_id, ids_of(moved), partitioned=partitioned)",
            "LoginSession.account_id < 0",
        )
    ],
    "a purge forgets a table": [(purge.owned_tables, "return owned[::-1]", "return owned[-2::-1]")],
    "the log's due dates are a day early": [(Purge.first_event, " + timedelta.resolution", "")],
    "an address is never freed": [
        (free_address.free_address, "_complete_move(session, policies, holder, now, by)", "pass")
    ],
    "an address is freed from a purge's alone": [
        (free_address._complete_move, "purge_at=LEFT_TO_THE_PURGE", "purge_at=policies.purge.cutoff(now)")
    ],
    "holders of an address are found by exact text": [
        (accounts.lock_address_holder, "address_key(Account.email) == address_key(ADDRESS)", "Account.email == ADDRESS")
    ],
    "credentials are found by exact text": [
        (accounts.select_credentials, "address_key(Account.email) == given.c.key", "Account.email == ADDRESS")
    ],
}


@pytest.fixture(params=FAULTS.values(), ids=FAULTS.keys())
def planted_fault(request, monkeypatch):
    """Change the product's code in place, so that whoever has imported it has the fault too."""
    remembering = (claim.claim, counter_only.move_claimed, purge.purge_claimed)
    for function, old, new in request.param:
        original = plain(function)
        source = textwrap.dedent(inspect.getsource(original))
        assert source.count(old) == 1, old
        changed = dict(original.__globals__)
        exec(source.replace(old, new), changed)
        monkeypatch.setattr(original, "__code__", plain(changed[original.__name__]).__code__)
    for function in remembering:
        function.cache_clear()
    yield
    for function in remembering:
        function.cache_clear()


WITHOUT_SHRINKING = settings(ROUND, phases=[Phase.generate])


# All errors of ours are answers to be compared, so that also what the database itself refuses is found here.
@pytest.mark.usefixtures("planted_fault")
def test_a_planted_fault_is_found(live):
    with pytest.raises(AssertionError):
        live(4000, WITHOUT_SHRINKING)
