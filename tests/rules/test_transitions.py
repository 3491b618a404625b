"""What people may do to an account, decided by the model alone: no database, and the time is an argument."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models import Account, Application, JobSeeking, LoginSession
from models.errors import PendingApplicationError, RetentionOverError, WindowClosedError, WrongStateError

TOKYO = ZoneInfo("Asia/Tokyo")
MOMENT = timedelta.resolution
NOON = datetime(2026, 1, 1, 12, tzinfo=TOKYO)
DAY_30_ENDS = datetime(2026, 2, 1, tzinfo=TOKYO)
NEW = {"staff": "0815", "office": "13010", "email": "new@example.jp", "password_hash": "new"}


def an_account(state="active", **columns):
    account = Account(id=1, state=state, registration="online", email="a@example.jp", password_hash="old", **columns)
    account.job_seeking = JobSeeking(status="valid", desired_occupation="受付")
    return account


def withdrawn(at=NOON):
    return an_account("withdrawn", withdrawn_at=at)


def invalid(account, at):
    account.job_seeking.status, account.job_seeking.invalidated_at = "invalid", at
    return account


def story(account):
    return [(each.kind, each.from_state, each.to_state, each.actor, each.at) for each in account.history]


def test_a_new_account_is_active_and_its_job_seeking_valid():
    account = Account.register(now=NOON, by="owner", email="a@example.jp", password_hash="hash")
    assert (account.state, account.registration, account.job_seeking.status) == ("active", "online", "valid")
    assert story(account) == [("register", None, "active", "owner", NOON)]


def test_withdrawing_ends_logins_and_is_remembered(policies):
    account = an_account(login_sessions=[LoginSession(), LoginSession()])
    account.withdraw(now=NOON, by="owner", policies=policies)
    assert (account.state, account.withdrawn_at, account.login_sessions) == ("withdrawn", NOON, [])
    assert story(account) == [("withdraw", "active", "withdrawn", "owner", NOON)]


def test_nobody_withdraws_while_a_self_made_application_is_pending(policies):
    account = an_account(applications=[Application(kind="self", status="pending")])
    with pytest.raises(PendingApplicationError, match="self-made application pending"):
        account.withdraw(now=NOON, by="owner", policies=policies)
    assert (account.state, account.history) == ("active", [])


@pytest.mark.parametrize(("kind", "status"), [("referral", "pending"), ("self", "rejected")])
def test_other_applications_keep_nobody(policies, kind, status):
    account = an_account(applications=[Application(kind=kind, status=status)])
    account.withdraw(now=NOON, by="owner", policies=policies)
    assert account.state == "withdrawn"


def test_an_account_on_day_thirty_can_still_reactivate(policies):
    account = withdrawn()
    account.reactivate(now=DAY_30_ENDS - MOMENT, by="owner", policies=policies)
    assert (account.state, account.withdrawn_at, account.email, account.password_hash) == (
        "active",
        None,
        "a@example.jp",
        "old",
    )
    assert story(account) == [("reactivate", "withdrawn", "active", "owner", DAY_30_ENDS - MOMENT)]


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=400)])
def test_from_day_thirty_one_on_nobody_reactivates_however_late_the_worker(policies, later):
    account = withdrawn()
    assert account.effective_state(DAY_30_ENDS + later, policies.counter_only) == "counter_only"
    with pytest.raises(WindowClosedError, match=r"2026-02-01T00:00:00\+09:00.*office counter.*registers anew"):
        account.reactivate(now=DAY_30_ENDS + later, by="owner", policies=policies)
    assert (account.state, account.history) == ("withdrawn", [])


def test_the_state_and_the_law_agree_at_every_instant_around_the_end_of_the_window(policies):
    for microseconds in (-1, 0, 1):
        now = DAY_30_ENDS + microseconds * MOMENT
        closed = withdrawn().withdrawn_at < policies.counter_only.cutoff(now)
        assert (withdrawn().effective_state(now, policies.counter_only) == "counter_only") is closed


@pytest.mark.parametrize("account", [withdrawn(), an_account("counter_only", withdrawn_at=NOON)], ids=["late", "moved"])
def test_from_day_thirty_one_on_an_office_recovers_whether_or_not_the_worker_was_on_time(policies, account):
    account.recover(now=DAY_30_ENDS, policies=policies, **NEW)
    assert (account.state, account.email, account.password_hash) == ("active", "new@example.jp", "new")
    assert (account.registration, account.withdrawn_at, account.counter_only_at) == ("hellowork", None, None)
    assert account.job_seeking.desired_occupation == "受付"
    assert story(account) == [("recover", "counter_only", "active", "0815", DAY_30_ENDS)]
    assert account.history[0].office == "13010"


def test_inside_the_window_it_is_the_owners_to_reopen(policies):
    account = withdrawn()
    with pytest.raises(WrongStateError, match="owner reactivates"):
        account.recover(now=DAY_30_ENDS - MOMENT, policies=policies, **NEW)
    assert (account.email, account.history) == ("a@example.jp", [])


def test_an_account_withdrawn_at_an_unknown_time_is_for_an_office(policies):
    with pytest.raises(WrongStateError, match="unknown time"):
        withdrawn(None).reactivate(now=NOON, by="owner", policies=policies)
    account = withdrawn(None)
    account.recover(now=NOON, policies=policies, **NEW)
    assert account.state == "active"


def test_an_account_whose_years_are_over_is_not_reopened_but_may_be_made_valid_first(policies):
    five_years_ago = NOON.replace(year=2021)
    over = datetime(2026, 1, 2, tzinfo=TOKYO)
    account = invalid(withdrawn(), five_years_ago)
    account.reactivate(now=over - MOMENT, by="owner", policies=policies)
    account = invalid(withdrawn(), five_years_ago)
    with pytest.raises(RetentionOverError, match="make that valid first"):
        account.reactivate(now=over, by="owner", policies=policies)
    moved = invalid(an_account("counter_only"), five_years_ago)
    with pytest.raises(RetentionOverError):
        moved.recover(now=over, policies=policies, **NEW)
    moved.revalidate(now=over, by="0815", office="13010", policies=policies)
    moved.recover(now=over, policies=policies, **NEW)
    assert [each.kind for each in moved.history] == ["revalidate", "recover"]


def test_the_years_start_anew_with_the_next_invalidation(policies):
    account = an_account()
    account.invalidate(now=NOON, by="system")
    account.revalidate(now=NOON + timedelta(days=1), by="owner", policies=policies)
    assert account.job_seeking.invalidated_at is None
    account.invalidate(now=NOON + timedelta(days=800), by="system")
    assert account.job_seeking.invalidated_at == NOON + timedelta(days=800)
    assert [(each.from_state, each.to_state) for each in account.history] == [
        ("valid", "invalid"),
        ("invalid", "valid"),
        ("valid", "invalid"),
    ]


@pytest.mark.parametrize(("office", "registration"), [(None, "online"), ("13010", "hellowork")])
def test_a_registration_that_an_office_makes_valid_again_is_an_office_registration(policies, office, registration):
    account = invalid(an_account(), NOON)
    account.revalidate(now=NOON, by="0815", office=office, policies=policies)
    assert (account.registration, account.history[0].office) == (registration, office)


def act_on(account, act, policies):
    given = {
        "recover": NEW | {"policies": policies},
        "log_in": {"policies": policies},
        "invalidate": {"by": "owner"},
        "revalidate": {"by": "owner", "policies": policies},
    }
    getattr(account, act)(now=NOON, **given.get(act, {"by": "owner", "policies": policies}))


@pytest.mark.parametrize(
    ("account", "act", "part"),
    [
        (an_account(), "reactivate", "is active"),
        (an_account(), "recover", "is active"),
        (withdrawn(), "withdraw", "is withdrawn"),
        (withdrawn(), "log_in", "is withdrawn"),
        (an_account("counter_only"), "withdraw", "is counter_only"),
        (an_account("counter_only"), "log_in", "is counter_only"),
        (an_account("counter_only"), "reactivate", "window of account 1 is over"),
        (an_account(), "revalidate", "is valid already"),
        (invalid(withdrawn(), NOON), "revalidate", "an office can make its registration valid"),
        (invalid(an_account(), NOON), "invalidate", "is invalid already"),
        (Account(id=1, state="active"), "invalidate", "no job-seeking registration"),
        (Account(id=1, state="active"), "revalidate", "no job-seeking registration"),
    ],
)
def test_what_does_not_fit_the_state_is_refused_and_changes_nothing(policies, account, act, part):
    before = (account.state, account.email, account.password_hash, account.withdrawn_at)
    with pytest.raises(WrongStateError, match=part):
        act_on(account, act, policies)
    assert (account.state, account.email, account.password_hash, account.withdrawn_at) == before
    assert account.history == []


def test_who_is_active_logs_in(policies):
    account = an_account()
    session = account.log_in(now=datetime.now(UTC), policies=policies)
    assert (session.account_id, account.history) == (1, [])
