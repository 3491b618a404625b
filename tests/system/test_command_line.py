"""The command line as a user meets it: what it says, its exit code, and that nothing changed when it refused."""

import json
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from builders import a_hold, an_account, dependents, everything_owned
from sqlalchemy import text

SECRET = "hun?t/e#r2"
PLAN = ("plan", "purge")
NOWHERE = {
    "RETENTION_DATABASE_URL": f"postgresql://u:{quote(SECRET, safe='')}@127.0.0.1:1/db",
    "RETENTION_BROKER_URL": f"redis://:{quote(SECRET, safe='')}@127.0.0.1:1/0",
}
RUN = ("run", "purge", "--actor", "a", "--reason", "r")


def refused(result, code: int, *parts: str) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert result.err.startswith("retention: ")
    assert "hun" not in result.err
    assert "r2@" not in result.err
    for part in parts:
        assert part in result.err


@pytest.mark.parametrize(
    ("variable", "value", "should"),
    [
        ("RETENTION_BATCH_ACCOUNTS", "-1", "greater than or equal to 1"),
        ("RETENTION_BATCH_ACCOUNTS", "many", "valid integer"),
        ("RETENTION_BATCH_ACCOUNTS", " ", "blank"),
        ("RETENTION_REACTIVATION_DAYS", "-1", "greater than or equal to 0"),
        ("RETENTION_RETENTION_YEARS", "0", "greater than or equal to 1"),
        ("RETENTION_RETENTION_YEARS", "5.5", "valid integer"),
        ("RETENTION_TIMEZONE", "Tokyo", "IANA time zone"),
        ("RETENTION_PURGE_CRON", "61 0 * * *", "cron of five fields"),
        ("RETENTION_COUNTER_ONLY_CRON", "", "blank"),
        ("RETENTION_DATABASE_URL", f"mysql://u:{SECRET}@h/d", "PostgreSQL URL"),
        ("RETENTION_DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d", "PostgreSQL URL"),
        ("RETENTION_BROKER_URL", f"amqp://u:{SECRET}@h", "Redis URL"),
        ("RETENTION_BROKER_URL", f"rediss://:{SECRET}@h/0", "ssl_cert_reqs=required"),
        ("RETENTION_BROKER_URL", "redis://h/abc", "Redis URL"),
        ("RETENTION_DOCUMENTS_URL", f"nowhere://u:{SECRET}@h/d", "such as file:///srv/documents"),
        ("RETENTION_DOCUMENTS_URL", f"hf://u:{SECRET}@h/d", "such as file:///srv/documents"),
        ("RETENTION_DOCUMENTS_URL", "hf://h/d", "whose driver is installed"),
        ("RETENTION_DOCUMENTS_URL", "file://documents", "such as file:///srv/documents"),
        ("RETENTION_DOCUMENTS_URL", "file:///", "such as file:///srv/documents"),
        ("RETENTION_DOCUMENTS_URL", "file:///srv/../etc", "such as file:///srv/documents"),
        ("RETENTION_DRAINS", "0", "greater than or equal to 1"),
        ("RETENTION_CEILING_ACCOUNTS", "", "blank"),
        ("RETENTION_CEILING_ACCOUNTS", "-1", "greater than or equal to 0"),
        ("RETENTION_CEILING_SHARE", "5", "less than or equal to 1"),
        ("RETENTION_CEILING_SHARE", "nan", "it should be"),
        ("RETENTION_CEILING_FORECAST", "inf", "less than or equal to"),
        ("RETENTION_CLOCK_SKEW_SECONDS", "0", "greater than 0"),
        ("RETENTION_CLOCK_GAP_DAYS", "0", "greater than or equal to 1"),
        ("RETENTION_EXPORT_URL", f"nowhere://u:{SECRET}@h/log", "the URL of a directory"),
        ("RETENTION_EXPORT_URL", "log", "the URL of a directory"),
        ("RETENTION_EXPORT_URL", "file://log", "the URL of a directory"),
        ("RETENTION_LOG_LEVEL", "LOUD", "'INFO'"),
        ("RETENTION_BATCH_ACOUNTS", "5", "did you mean RETENTION_BATCH_ACCOUNTS"),
    ],
)
def test_a_bad_setting_is_named_with_what_it_should_be(stack, variable, value, should):
    refused(stack.retention(*PLAN, **{variable: value}), 4, variable, should)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("plan", "purges"), 2, "'purges' is not one of 'counter_only', 'purge'"),
        (("plan", "purge", "--at", "yesterday"), 2, "'yesterday' is no instant"),
        (("plan", "purge", "--at", "2026-12-01T00:00:00"), 2, "has no offset"),
        (("plan", "purge", "--at", "0001-01-01T00:00:00Z"), 2, "outside the years"),
        (("run", "everything", "--actor", "a", "--reason", "r"), 2, "'everything' is not one of"),
        (("run", "purge", "--reason", "r"), 2, "--actor"),
        (("run", "purge", "--actor", " ", "--reason", "r"), 2, "is blank"),
        (("explain", "12"), 3, "there is no account 12"),
        (("explain", "twelve"), 2, "'twelve' is not a number, such as 4711"),
        (("seed", "--accounts", "0"), 2, "0 is not in the range"),
        (("forecast", "--days", "-1"), 2, "-1 is not in the range"),
        (("log", "list", "--account", "99999999999999999999"), 2, "is not in the range"),
        (("approve", "12", "--actor", "a", "--reason", "r"), 3, "there is no sweep 12"),
        (("reject", "12", "--actor", "a", "--reason", "r"), 3, "there is no sweep 12"),
        (("approve", "12", "--actor", "a", "--reason", "\t"), 2, "is blank"),
        (("pause", "purge", "--actor", "a" * 101, "--reason", "r"), 2, "has 101 signs; 100 are enough"),
        (("pause", "purge", "--actor", "a", "--reason", "r" * 1001), 2, "has 1,001 signs; 1,000 are enough"),
        (("pause", "all", "--actor", "a", "--reason", "r"), 2, "'all' is not one of"),
        (("resume", "purge", "--actor", "a", "--reason", "r"), 3, "purge is not paused"),
        (("quarantine", "retry", "--actor", "a", "--reason", "r"), 2, "give the number of an account, or --all"),
        (("quarantine", "retry", "1", "--actor", "a", "--reason", "r"), 3, "account 1 is not in quarantine"),
        (("files", "retry", "--actor", "a", "--reason", "r"), 2, "give the ID of a file, or --all"),
        (("files", "retry", "1", "--all", "--actor", "a", "--reason", "r"), 2, "give the ID of a file, or --all"),
        (("files", "settle", "1", "--actor", "a", "--reason", "r"), 3, "no file 1 is left"),
        (("erase",), 2, "No such command 'erase'"),
        (("status", "--colour"), 2, "No such option"),
    ],
)
def test_bad_input_is_answered_with_one_line_and_the_right_code(stack, arguments, code, part):
    refused(stack.retention(*arguments), code, part)


@pytest.mark.parametrize(
    "arguments", [PLAN, RUN, ("status",), ("explain", "1"), ("migrate",), ("seed", "--accounts", "9")]
)
def test_a_database_that_does_not_answer_is_said_within_seconds(stack, arguments):
    refused(stack.retention(*arguments, **NOWHERE, patience=20), 5, "the database did not answer")


def test_a_broker_that_does_not_answer_is_said_and_no_sweep_is_left_behind(stack):
    refused(stack.retention(*RUN, RETENTION_BROKER_URL=NOWHERE["RETENTION_BROKER_URL"], patience=30), 5, "the broker")
    assert stack.retention("sweeps", "--json").json == {"sweeps": []}


@pytest.fixture
def mute():
    """Where connections are taken and nothing is ever answered, as a frozen machine does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("arguments", [RUN, ("status",), ("doctor",)])
def test_a_broker_that_takes_connections_and_answers_nothing_is_said_within_seconds(stack, mute, arguments):
    result = stack.retention(*arguments, RETENTION_BROKER_URL=f"redis://{mute}/0", patience=30)
    assert result.code == 5
    assert "the broker does not answer" in result.err + result.out


@pytest.mark.parametrize("arguments", [("sweeps",), ("doctor",)])
def test_a_database_that_takes_connections_and_answers_nothing_is_said_within_seconds(stack, mute, arguments):
    result = stack.retention(*arguments, RETENTION_DATABASE_URL=f"postgresql://{mute}/none", patience=30)
    assert result.code == 5
    assert "the database did not answer" in result.err + result.out


def test_status_without_a_broker_still_tells_what_the_database_knows(stack):
    result = stack.retention("status", "--json", RETENTION_BROKER_URL=NOWHERE["RETENTION_BROKER_URL"])
    assert result.code == 5
    assert result.json["workers"] is None
    assert result.json["policies"].keys() == {"purge", "counter_only"}


@pytest.mark.parametrize(("revision", "part"), [("9999", "upgrade this program"), (None, "run `retention migrate`")])
@pytest.mark.parametrize("arguments", [PLAN, RUN, ("status",), ("seed", "--accounts", "9")])
def test_a_database_of_another_schema_is_refused(stack, engine, arguments, revision, part):
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
    refused(stack.retention(*arguments), 4, part)


def test_seeding_a_filled_database_is_refused_and_changes_nothing(stack, engine):
    with engine.begin() as connection:
        an_account(connection)
        before = everything_owned(connection)
    refused(stack.retention("seed", "--accounts", "9"), 3, "--append")
    with engine.connect() as connection:
        assert everything_owned(connection) == before


@pytest.mark.parametrize("role", [("worker",), ("beat",)])
def test_a_worker_or_beat_with_a_bad_setting_does_not_start(stack, role):
    process = stack.start("celery", "-A", "worker", *role, log="bad", RETENTION_TIMEZONE="Tokyo")
    assert process.wait(60) == 4
    assert "RETENTION_TIMEZONE" in (stack.directory / "bad.log").read_text()


def test_a_worker_does_not_start_on_a_database_of_another_schema(stack, engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert stack.start("celery", "-A", "worker", "worker", log="bad").wait(60) == 4
    assert "upgrade this program" in (stack.directory / "bad.log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("plan", "purge"),
        ("plan", "counter_only", "--at", "2031-01-01T00:00:00+09:00"),
        ("status",),
        ("sweeps",),
        ("log", "list"),
        ("log", "verify"),
        ("hold", "list"),
        ("quarantine", "list"),
        ("files", "list"),
        ("files", "list", "--settled", "--keys"),
        ("forecast", "--days", "3"),
        ("doctor",),
    ],
)
def test_every_reading_command_speaks_json_and_plain_text(stack, arguments):
    document = stack.retention(*arguments, "--json", check=True)
    assert json.loads(document.out)
    assert document.err == ""
    people = stack.retention(*arguments, check=True)
    assert people.out.strip()
    assert "\x1b" not in people.out


def test_a_run_by_hand_is_carried_out_and_recorded_and_every_account_explained(stack, engine):
    now = datetime.now(UTC)
    with engine.begin() as connection:
        gone = an_account(connection, status="invalid", invalidated_at=now - timedelta(days=3000))
        closed = an_account(connection, state="withdrawn", withdrawn_at=now - timedelta(days=45))
        held = an_account(connection, state="withdrawn", withdrawn_at=now - timedelta(days=45))
        fresh = an_account(connection, state="withdrawn", withdrawn_at=now)
        unknown = an_account(connection, status="invalid")
        a_hold(connection, held)
        for number in (gone, closed):
            dependents(connection, number)
    late = stack.retention("explain", str(closed), "--json", check=True).json
    assert (late["state"], late["effective_state"]) == ("withdrawn", "counter_only")
    assert stack.retention("plan", "purge", "--json", check=True).json["sample"] == [gone]

    stack.worker()
    sweeps = stack.run("all")
    assert [(each["policy"], each["status"], each["accounts"]) for each in sweeps] == [
        ("counter_only", "done", 1),
        ("purge", "done", 1),
    ]
    assert {(each["actor"], each["reason"], each["tick"]) for each in sweeps} == {("test", "test", None)}

    def explained(number):
        return stack.retention("explain", str(number), "--json", check=True).json

    after = explained(gone)
    assert (after["state"], [each["action"] for each in after["actions"]]) == ("gone", ["purge"])
    assert explained(closed)["state"] == "counter_only"
    assert explained(held)["holds"][0]["placed_by"] == "legal"
    assert explained(fresh)["prevented"]["counter_only"] == ["its day has not come"]
    assert explained(fresh)["counter_only_from"].endswith("T00:00:00+09:00")
    assert explained(unknown)["anomalies"] == ["invalid_without_date"]
    logged = stack.retention("log", "list", "--account", str(gone), "--json", check=True).json["actions"]
    assert [(each["action"], each["due_at"]) for each in logged] == [("purge", after["purge_from"])]
    status = stack.retention("status", "--json", check=True).json
    assert status["policies"]["purge"]["due"] == status["policies"]["counter_only"]["due"] == 0
    assert status["anomalies"]["invalid_without_date"] == status["holds"] == len(status["workers"]) == 1


def test_a_forecast_says_what_falls_due_on_which_day(stack, engine):
    with engine.begin() as connection:
        today = connection.scalar(text("SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date"))
        midday = connection.scalar(text("SELECT (:day + time '00:00') AT TIME ZONE 'Asia/Tokyo'"), {"day": today})
        for days in (28, 28, 30, 31):
            an_account(connection, state="withdrawn", withdrawn_at=midday - timedelta(days=days))
    found = stack.retention("forecast", "--days", "4", "--json", check=True).json["policies"]["counter_only"]
    assert found["due"] == 1
    assert [each["accounts"] for each in found["days"]] == [1, 0, 2, 0]
    assert found["days"][0]["day"] == (today + timedelta(days=1)).isoformat()
