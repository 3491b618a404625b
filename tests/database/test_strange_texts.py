"""Texts as an application or an import may write them: of any length, in any script, with whatever is no sign."""

import pytest
from builders import a_hold, an_account, dependents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import people
from sqlalchemy import text
from sweeping import closable, purgeable

from models.errors import AddressTakenError, CredentialsError, Refused
from tasks import files, holds
from tasks.explain import explain
from tasks.rules.storage_key import LONGEST, KeyFault
from tasks.transitions import Credentials
from worker.answers.lists import read_holds
from worker.deployment import Deployment
from worker.settings import Settings

MIB = 2**20
TEXTS = {
    "empty": "",
    "blank": " \t\u3000",
    "emoji": "👩‍💻🇯🇵☎️" * 50,
    "right to left": "\u202e\u05ea\u05d5\u05d3\u05d4\u200f \u2067\u0645\u0631\u062d\u0628\u0627\u2069",
    "combining": "e" + "\u0301" * 500,
    "controls": "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\x7f",
    "beyond": "\U0010ffff\ufffe\ufeff",
    "ten megabytes": "長" * (10 * MIB // 3),
}
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND data_type = 'text' AND table_name = ANY (ARRAY['messages', 'message_attachments',
       'documents', 'applications', 'saved_searches', 'saved_jobs', 'login_sessions', 'holds', 'transitions',
       'job_seekings']) AND column_name NOT IN ('status', 'kind')
"""


@pytest.fixture(params=TEXTS.values(), ids=TEXTS.keys())
def odd(request):
    return request.param


@pytest.fixture
def populated(engine, odd):
    """Accounts due for each policy, and one that is kept, with an odd text wherever one fits."""
    with engine.begin() as connection:
        purged, closed, kept = purgeable(connection), closable(connection), purgeable(connection)
        for number in (purged, closed, kept):
            dependents(connection, number)
        connection.execute(text("DELETE FROM quarantine"))
        a_hold(connection, kept)
        for table, column in connection.execute(text(COLUMNS)).all():
            connection.execute(text(f"UPDATE {table} SET {column} = :odd"), {"odd": odd})
    return purged, closed, kept


def test_sweeps_do_their_work_whatever_is_written_in_the_rows(by_hand, populated, tmp_path, odd):
    (tmp_path / "file").touch()
    hand = by_hand(documents_url=tmp_path.as_uri())
    for policy in ("purge", "counter_only"):
        done = hand.carry_out(hand.request(policy))
        assert (done.status, done.accounts, done.failure) == ("done", 1, None)
    _, closed, kept = populated
    assert hand.accounts() == [closed, kept]
    hand.do("erase_files", 0)
    # The one who is kept has documents of that name, too.
    hand.run("DELETE FROM documents")
    hand.run("UPDATE doomed_files SET next_try_at = now()")
    hand.do("erase_files", 0)
    left = {row.failure for row in hand.rows("SELECT failure FROM doomed_files WHERE refused_at IS NOT NULL")}
    assert left <= set(KeyFault)
    assert (left == {KeyFault.TOO_LONG}) == (len(odd) > LONGEST)


def test_what_is_shown_of_them_is_as_it_is_or_its_beginning(engine, populated, policies, odd):
    here = Deployment(Settings(), None, engine)
    for number in populated:
        shown = explain(engine, policies, number)
        told = [row.actor for row in shown.history] + [row.reason for row in shown.holds]
        assert set(told) == {odd if len(odd) <= 1000 else odd[:1000] + "…"}
    (hold,) = read_holds(here, limit=10)
    assert hold["reason"] == hold["placed_by"] == (odd if len(odd) <= 1000 else odd[:1000] + "…")
    assert holds.release(engine, hold["id"], actor="legal", reason="settled").released_at is not None


def test_a_list_of_long_texts_fits_into_memory(engine):
    with engine.begin() as connection:
        number = an_account(connection)
        connection.execute(
            text(
                "INSERT INTO holds (account_id, reason, placed_by)"
                " SELECT :id, repeat('x', 1000000), '' FROM generate_series(1, 20)"
            ),
            {"id": number},
        )
        connection.execute(text("INSERT INTO doomed_files (storage_key, sweep_id) SELECT repeat('y', 1000000), 1"))
    assert {len(row.reason) for row in holds.list_holds(engine, limit=20)} == {1001}
    assert {len(row.storage_key) for row in files.list_files(engine, limit=20)} == {1001}


def test_of_a_long_history_the_last_acts_are_told_oldest_first(engine, policies):
    with engine.begin() as connection:
        number = an_account(connection)
        connection.execute(
            text(
                "INSERT INTO transitions (account_id, kind, actor, at, to_state)"
                " SELECT :id, 'withdraw', n::text, now(), 'withdrawn' FROM generate_series(1, 1500) AS n"
            ),
            {"id": number},
        )
    assert [row.actor for row in explain(engine, policies, number).history] == [str(n) for n in range(501, 1501)]


NULLABLE = """
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND is_nullable = 'YES' AND table_name = ANY (:tables)
"""


def test_nothing_stumbles_over_null_wherever_it_is_allowed(by_hand, engine, policies):
    hand = by_hand()
    with engine.begin() as connection:
        purged, closed, kept = purgeable(connection), closable(connection), an_account(connection)
        for number in (purged, closed, kept):
            dependents(connection, number)
        connection.execute(text("DELETE FROM quarantine"))
        tables = [
            "accounts",
            "messages",
            "message_attachments",
            "documents",
            "applications",
            "saved_searches",
            "saved_jobs",
            "login_sessions",
            "holds",
            "transitions",
            "job_seekings",
        ]
        for table, column in connection.execute(text(NULLABLE), {"tables": tables}).all():
            if column not in ("withdrawn_at", "invalidated_at", "account_id"):
                connection.execute(text(f"UPDATE {table} SET {column} = NULL"))
    for policy in ("purge", "counter_only"):
        done = hand.carry_out(hand.request(policy))
        assert (done.status, done.accounts, done.failure) == ("done", 1, None)
    assert [explain(engine, policies, number).state for number in (purged, closed, kept)] == [
        "gone",
        "counter_only",
        "active",
    ]
    assert hand.rows("SELECT 1 FROM doomed_files") == []


NUMBERS = [0, -1, -(2**63), 2**63 - 1]


def test_an_account_of_any_number_that_the_database_takes_is_done_and_proven(by_hand, engine, policies):
    hand = by_hand()
    with engine.begin() as connection:
        for number in NUMBERS:
            connection.execute(
                text("INSERT INTO accounts (id, registration) OVERRIDING SYSTEM VALUE VALUES (:id, 'online')"),
                {"id": number},
            )
            connection.execute(
                text("INSERT INTO job_seekings VALUES (:id, 'invalid', '2001-01-01 00:00+00')"), {"id": number}
            )
    done = hand.carry_out(hand.request("purge"))
    assert (done.status, done.accounts, done.failure) == ("done", len(NUMBERS), None)
    assert sorted(row.account_id for row in hand.rows("SELECT account_id FROM actions")) == sorted(NUMBERS)
    assert {explain(engine, policies, number).state for number in NUMBERS} == {"gone"}


signs = st.characters(codec="utf-8") | st.sampled_from("@\uff20. ß\u0130\u0131Σς\u017fK\u200f\u202e\u00ad\u3000\0")
rounds = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@rounds
@given(st.text(signs, max_size=12), st.text(signs, max_size=12))
def test_an_address_is_refused_or_lets_its_owner_in_however_it_is_written(engine, policies, local, domain):
    person = people(engine, policies)
    given_address = Credentials(f"{local}@{domain}", "open sesame")
    try:
        number = person.register(given_address)
    except AddressTakenError:
        return  # an earlier example's, which is the same address in another spelling
    except Refused:
        with pytest.raises(CredentialsError):
            person.log_in(given_address)
        return
    assert person.log_in(given_address) == number
    with pytest.raises(AddressTakenError):
        person.register(given_address)
