"""Dates that are none, or that Python's calendar lacks: they stop nobody, and nobody is due by them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from builders import OWNED, a_hold, an_account, dependents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import HASHER, people
from sqlalchemy import func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.exc import DBAPIError, IntegrityError
from sweeping import LONG_INVALID, LONG_WITHDRAWN, closable, purgeable

from models import CounterOnly, Policies, PolicyName, Purge
from models.errors import Refused
from tasks import files, holds
from tasks.catalog import catalog_faults
from tasks.explain import explain
from tasks.figures import read_figures
from tasks.plan import plan
from tasks.rules.cutoff import Cutoff
from tasks.standing import take_standing
from tasks.statements.due import due
from tasks.statements.law import with_lawful_instant
from tasks.transitions import Credentials
from worker.answers.explanation import explanation
from worker.answers.lists import read_holds, read_quarantine
from worker.deployment import Deployment
from worker.nearest_instant import EARLIEST, LATEST
from worker.settings import Settings

ODD = ["infinity", "-infinity", "9999-12-31 23:59:59.999999+00"]
# Nobody's law asks for them; an application may write what it likes.
SHOWN = "SELECT table_name, column_name FROM information_schema.columns WHERE data_type = 'timestamp with time zone'"
LAWFUL = {"withdrawn_at", "counter_only_at", "invalidated_at", "released_at"}
NOW = datetime.now(UTC)
CREDENTIALS = Credentials("taro@example.jp", "open sesame")


@pytest.fixture(params=ODD)
def odd(request):
    return request.param


@pytest.fixture
def populated(engine, odd):
    """Accounts of every kind whose rows have an odd instant wherever one fits; returns their numbers."""
    with engine.begin() as connection:
        numbers = {
            "active": an_account(connection, status="invalid", invalidated_at=NOW),
            "purge": purgeable(connection),
            "counter_only": closable(connection),
            "withdrawn": an_account(connection, state="withdrawn", withdrawn_at=NOW - timedelta(days=1)),
        }
        for number in numbers.values():
            dependents(connection, number)
        connection.execute(
            text("UPDATE accounts SET email = :email WHERE id = :id"),
            {"email": CREDENTIALS.email, "id": numbers["active"]},
        )
        connection.execute(
            text("UPDATE accounts SET password_hash = :hash WHERE state <> 'counter_only'"),
            {"hash": HASHER.hash(CREDENTIALS.password)},
        )
        connection.execute(text("UPDATE applications SET status = 'decided'"))
        a_hold(connection, numbers["active"])
        a_hold(connection, numbers["active"])
        connection.execute(text("INSERT INTO doomed_files (storage_key, sweep_id) VALUES ('a/1.pdf', 1)"))
        for table, column in connection.execute(text(SHOWN)).all():
            if column not in LAWFUL and table in OWNED:
                connection.execute(text(f"UPDATE {table} SET {column} = :odd"), {"odd": odd})
        connection.execute(text("UPDATE quarantine SET set_aside_at = NULL"))
        connection.execute(text("UPDATE doomed_files SET created_at = :odd, tried_at = :odd"), {"odd": odd})
    return numbers


def test_whatever_is_shown_is_shown_though_an_instant_of_it_is_beyond_the_calendar(engine, populated, policies):
    here = Deployment(Settings(), None, engine)
    for number in populated.values():
        found = explanation(explain(engine, policies, number), here.zone)
        assert len(found["history"]) == 2
    assert len(read_holds(here, limit=10)) == 2
    assert len(read_quarantine(here, limit=10)) == 8
    assert len(files.list_files(engine, limit=10)) == 1
    with engine.begin() as connection:
        assert take_standing(connection, policies, NOW).anomalous == 0
    assert read_figures(engine, policies).at > NOW
    assert {name: plan(engine, policies, name, NOW).sample for name in PolicyName} == {
        "purge": (populated["purge"],),
        "counter_only": (populated["counter_only"],),
    }


def test_people_do_what_they_may_though_their_rows_hold_such_an_instant(engine, populated, policies):
    person, number = people(engine, policies), populated["active"]
    assert person.log_in(CREDENTIALS) == number
    person.withdraw(number)
    assert person.reactivate(CREDENTIALS) == number
    person.revalidate(number)
    person.invalidate(number)
    hold_id = holds.place(engine, number, actor="legal", reason="complaint")
    assert holds.release(engine, hold_id, actor="legal", reason="settled").placed_at < LATEST


def test_sweeps_do_their_work_on_accounts_with_such_an_instant(by_hand, populated):
    hand = by_hand()
    for policy in PolicyName:
        done = hand.carry_out(hand.request(policy.value))
        assert (done.status, done.accounts, done.failure) == ("done", 1, None)
    assert {row.action: row.account_id for row in hand.rows("SELECT * FROM actions")} == {
        name.value: populated[name] for name in PolicyName
    }
    hand.do("measure")
    hand.do("erase_files", 0)


# Everything that PostgreSQL takes for an instant, in microseconds since the year 2000; and most of it near the ends.
SMALLEST, LARGEST = -211_813_488_000_000_000, 9_223_371_331_199_999_999
Y2K = datetime(2000, 1, 1, tzinfo=UTC)
around = st.sampled_from(
    [
        SMALLEST,
        LARGEST,
        *((datetime(year, 1, 1, tzinfo=UTC) - Y2K) // timedelta.resolution for year in (1, 1900, 9999)),
        252_455_616_000_000_000,
    ]
).flatmap(lambda end: st.integers(max(SMALLEST, end - 10**11), min(LARGEST, end + 10**11)))
moments = st.lists(st.integers(SMALLEST, LARGEST) | around, min_size=2, max_size=20)
fixed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fixed
@given(moments)
def test_instants_are_read_exactly_or_as_the_nearest_end_of_the_calendar(engine, moments):
    asked = ", ".join(
        f"('2000-01-01 00:00+00'::timestamptz + make_interval(days => {days}) + {rest} * interval '1 microsecond')"
        for days, rest in (divmod(moment, 86_400_000_000) for moment in moments)
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL TimeZone = 'UTC'")
        read = list(connection.exec_driver_sql(f"SELECT {asked}".replace("(", "(", 1)).one())
    first, last = ((end - Y2K) // timedelta.resolution for end in (EARLIEST, LATEST))
    assert read == [Y2K + timedelta(microseconds=min(max(moment, first), last)) for moment in moments]


def test_infinities_are_read_as_the_ends_of_the_calendar_in_every_time_zone_of_a_session(engine):
    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL TimeZone = '{zone}'")
            assert connection.scalar(text("SELECT '-infinity'::timestamptz")) == EARLIEST
            assert connection.scalar(text("SELECT 'infinity'::timestamptz")) == LATEST


def laws_in(name):
    zone = ZoneInfo(name)
    return Policies(Purge(5, zone, "30 0 * * *"), CounterOnly(30, zone, "10 0 * * *"))


zones = st.sampled_from(["Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
FIRST, BEYOND = "1900-01-01 00:00+00", "10000-01-01 00:00+00"


@fixed
@given(zones, st.integers(SMALLEST, LARGEST) | around | st.integers(0, 10**15))
def test_a_date_is_refused_or_due_by_every_law_or_by_none(engine, zone, moment):
    """Whatever instant an import writes: it is no date, or Python, SQL, `explain` and reconciliation agree about it."""
    policies = laws_in(zone)
    days, rest = divmod(moment, 86_400_000_000)
    at = f"('2000-01-01 00:00+00'::timestamptz + make_interval(days => {days}) + {rest} * interval '1 microsecond')"
    with engine.connect() as connection:
        is_date = connection.scalar(text(f"SELECT {at} >= '{FIRST}' AND {at} < '{BEYOND}'"))
        account = an_account(connection)
        seeking = text(f"UPDATE job_seekings SET status = 'invalid', invalidated_at = {at} WHERE account_id = :id")
        leaving = text(f"UPDATE accounts SET state = 'withdrawn', withdrawn_at = {at} WHERE id = :id")
        if not is_date:
            for statement in (seeking, leaving):
                with pytest.raises(IntegrityError, match="_finite"), connection.begin_nested():
                    connection.execute(statement, {"id": account})
            connection.rollback()
            return
        for name, statement in ((PolicyName.PURGE, seeking), (PolicyName.COUNTER_ONLY, leaving)):
            with connection.begin_nested() as nested:
                connection.execute(statement, {"id": account})
                (event,) = connection.scalars(text(f"SELECT {at}"))
                now = connection.scalar(select(func.now()))
                sql = connection.execute(due(Cutoff.of(policies, name, now), now=now)).all()
                asked = func.unnest(literal([event], ARRAY(TIMESTAMP(timezone=True)))).table_valued("event_at")
                lawful = with_lawful_instant(asked.render_derived(name="asked"), policies[name])
                judged = connection.scalar(select(lawful.c.lawful_at).where(lawful.c.event_at <= now))
                nested.rollback()
            expected = policies[name].is_over(event, now)
            assert [row.account_id for row in sql] == [account] * expected
            assert (judged is not None and judged <= now) == expected
            assert judged is None or judged == policies[name].due_from(event)
        connection.rollback()


def test_a_hold_whose_release_is_yet_to_come_holds_until_then(by_hand, engine, policies):
    hand = by_hand()
    with engine.begin() as connection:
        purged, closed = purgeable(connection), closable(connection)
        later = [a_hold(connection, number, released_at=NOW + timedelta(days=9)) for number in (purged, closed)]
        never = purgeable(connection)
        connection.execute(
            text("INSERT INTO holds (account_id, reason, placed_by, released_at) VALUES (:id, '', '', 'infinity')"),
            {"id": never},
        )
    for policy in PolicyName:
        done = hand.carry_out(hand.request(policy.value))
        assert (done.status, done.accounts) == ("done", 0)
        assert plan(engine, policies, policy, NOW).held == (2 if policy == PolicyName.PURGE else 1)
        # As of then it does not hold any more.
        assert plan(engine, policies, policy, NOW + timedelta(days=10)).due == 1
    assert explain(engine, policies, purged).prevented["purge"] == [f"hold {later[0]}"]
    assert len(holds.list_holds(engine, limit=10)) == 3
    with engine.connect() as connection:
        assert take_standing(connection, policies, datetime.now(UTC)).holds == 3
    holds.release(engine, later[0], actor="legal", reason="settled earlier")
    with pytest.raises(Refused, match="was released already"):
        holds.release(engine, later[0], actor="legal", reason="once more")
    assert hand.carry_out(hand.request("purge")).accounts == 1
    assert hand.accounts() == [closed, never]


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        ("now() - interval '9 days'", "NULL", False),
        ("now() - interval '9 days'", "now() + interval '9 days'", False),
        ("now() + interval '9 days'", "NULL", False),
        ("now() + interval '9 days'", "now() + interval '99 days'", False),
        ("now() + interval '9 days'", "now() - interval '9 days'", True),
        ("now() + interval '9 days'", "now() + interval '8 days'", True),
        ("now() - interval '9 days'", "now() - interval '8 days'", True),
        ("NULL", "'infinity'", True),
    ],
)
def test_a_release_is_never_put_off(engine, before, after, may):
    """That would lock nothing, and so could come between a batch's last look and its end."""
    with engine.begin() as connection:
        hold_id = a_hold(connection, an_account(connection))
        connection.execute(text(f"UPDATE holds SET released_at = {before} WHERE id = {hold_id}"))
    change = text(f"UPDATE holds SET released_at = {after} WHERE id = {hold_id}")
    if may:
        with engine.begin() as connection:
            connection.execute(change)
        return
    with pytest.raises(DBAPIError, match="released for good"), engine.begin() as connection:
        connection.execute(change)


FINITE = [
    ("accounts", "ck_accounts_withdrawn_at_finite"),
    ("accounts", "ck_accounts_counter_only_at_finite"),
    ("job_seekings", "ck_job_seekings_invalidated_at_finite"),
]


@pytest.mark.parametrize(("table", "constraint"), FINITE)
def test_without_the_constraints_that_keep_nonsense_out_every_sweep_is_held(by_hand, engine, table, constraint):
    hand = by_hand()
    with engine.begin() as connection:
        (said,) = connection.scalars(
            text(f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = '{constraint}'")
        )
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        purgeable(connection)
        never = an_account(connection)
        if table == "job_seekings":
            connection.execute(
                text("UPDATE job_seekings SET status = 'invalid', invalidated_at = '-infinity' WHERE account_id = :id"),
                {"id": never},
            )
        else:
            connection.execute(
                text("UPDATE accounts SET state = 'withdrawn', withdrawn_at = :at WHERE id = :id"),
                {"id": never, "at": LONG_WITHDRAWN},
            )
    held = hand.carry_out(hand.request("purge"))
    assert held.status == "held"
    assert [stop["gate"] for stop in held.held_for] == ["catalog"]
    assert constraint in held.held_for[0]["detail"]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {said} NOT VALID")
        assert [fault for fault in catalog_faults(connection) if constraint in fault]
        connection.execute(text("DELETE FROM job_seekings WHERE invalidated_at = '-infinity'"))
        connection.exec_driver_sql(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
    assert hand.carry_out(held.id).accounts == 1


def test_an_import_that_knows_no_date_writes_none_and_that_is_seen(engine, policies):
    with engine.begin() as connection:
        unknown = an_account(connection, status="invalid")
        assert LONG_INVALID < NOW
        assert take_standing(connection, policies, NOW).anomalies["invalid_without_date"] == 1
    assert explain(engine, policies, unknown).prevented["purge"][0] == "anomaly: invalid_without_date"
