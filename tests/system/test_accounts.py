"""`retention account`, `hold` and `explain`, as people use them."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from builders import an_account
from processes import until
from sqlalchemy import text

EMAIL = "taro@example.jp"
PASSWORD = "open sesame\n"
ACTOR = ("--actor", "legal", "--reason", "complaint")


@pytest.fixture
def account(stack):
    """The number of an active account with EMAIL and PASSWORD."""
    return registered(stack)["account_id"]


def registered(stack, email=EMAIL):
    return stack.retention("account", "register", "--email", email, "--json", given=PASSWORD, check=True).json


def refused(result, code, *parts):
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("retention: ")
    assert result.err.count("\n") == 1
    assert "bug" not in result.err
    assert all(part in result.err for part in parts), result.err


def at(engine, account, days):
    """Let an account have been withdrawn so many days ago."""
    with engine.begin() as connection:
        withdrawn_at = datetime.now(UTC) - timedelta(days=days)
        connection.execute(
            text("UPDATE accounts SET withdrawn_at = :at WHERE id = :id"), {"id": account, "at": withdrawn_at}
        )


def test_a_life_in_json(stack, engine):
    account = registered(stack)
    number = str(account["account_id"])
    assert (account["state"], account["registration"]) == ("active", "online")
    withdrawn = stack.retention("account", "withdraw", number, "--json", check=True).json
    assert (withdrawn["state"], withdrawn["prevented"]["counter_only"]) == ("withdrawn", ["its day has not come"])
    back = stack.retention("account", "reactivate", "--email", EMAIL, "--json", given=PASSWORD, check=True).json
    assert (back["account_id"], back["state"], back["withdrawn_at"]) == (account["account_id"], "active", None)
    assert stack.retention("account", "login", "--email", EMAIL, given=PASSWORD).code == 0
    invalid = stack.retention("account", "invalidate", number, "--actor", "system", "--json", check=True).json
    assert invalid["purge_from"] is not None
    assert "articles 140, 141, 143" in invalid["because"]["purge"]
    valid = stack.retention(
        "account", "revalidate", number, "--actor", "0815", "--office", "13010", "--json", check=True
    )
    assert valid.json["purge_from"] is None
    stack.retention("account", "withdraw", number, check=True)
    at(engine, account["account_id"], 40)
    office = ("--staff", "0815", "--office", "13010", "--email", "new@example.jp")
    recovered = stack.retention("account", "recover", number, *office, "--json", given=PASSWORD, check=True).json
    assert (recovered["state"], recovered["registration"]) == ("active", "hellowork")
    assert [(each["kind"], each["actor"], each["office"]) for each in recovered["history"]] == [
        ("register", "owner", None),
        ("withdraw", "owner", None),
        ("reactivate", "owner", None),
        ("invalidate", "system", None),
        ("revalidate", "0815", "13010"),
        ("withdraw", "owner", None),
        ("recover", "0815", "13010"),
    ]
    assert stack.retention("explain", number, "--json", check=True).json.keys() == recovered.keys()


def test_every_account_command_tells_people_how_the_account_stands(stack, account):
    office = ("--actor", "0815", "--office", "13010")
    for arguments in (("withdraw", str(account)), ("invalidate", str(account)), ("revalidate", str(account), *office)):
        told = stack.retention("account", *arguments, check=True).out
        assert "state" in told
        assert "\x1b" not in told
    assert "active" in stack.retention("account", "reactivate", "--email", EMAIL, given=PASSWORD, check=True).out


def test_what_is_refused_is_one_line_and_exit_code_three(stack, engine, account):
    number = str(account)
    refused(stack.retention("account", "reactivate", "--email", EMAIL, given=PASSWORD), 3, "is active")
    refused(stack.retention("account", "reactivate", "--email", EMAIL, given="wrong\n"), 3, "do not fit")
    refused(stack.retention("account", "login", "--email", "nobody@example.jp", given=PASSWORD), 3, "do not fit")
    refused(stack.retention("account", "register", "--email", EMAIL, given=PASSWORD), 3, "log in to that one")
    refused(stack.retention("account", "register", "--email", "none", given=PASSWORD), 3, "no e-mail address")
    refused(stack.retention("account", "withdraw", "99"), 3, "there is no account 99")
    refused(stack.retention("account", "revalidate", number), 3, "valid already")
    refused(stack.retention("account", "invalidate", number, "--actor", " "), 2, "--actor", "is blank")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO applications (account_id, kind, status) VALUES (:id, 'self', 'pending')"), {"id": account}
        )
    refused(stack.retention("account", "withdraw", number), 3, "self-made application pending")
    assert stack.retention("explain", number, "--json").json["state"] == "active"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("", "no password on standard input"),
        ("\n", "no password"),
        ("  \n", "blank"),
        ("x" * 1025 + "\n", "longer than"),
    ],
)
def test_a_password_that_is_none_registers_nobody(stack, engine, given, part):
    refused(stack.retention("account", "register", "--email", EMAIL, given=given), 3, part)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM accounts")) == 0


def test_what_cannot_be_written_down_is_refused(stack, account):
    number = str(account)
    refused(stack.retention("account", "invalidate", number, "--actor", "\udcff"), 2, "--actor", "UTF-8")
    refused(stack.retention("hold", "place", number, "--actor", "a\nb", "--reason", "x"), 2, "control character")
    refused(stack.retention("account", "login", "--email", "\udcff@x.jp", given=PASSWORD), 2, "--email", "UTF-8")
    closed = subprocess.run(
        f"exec {sys.executable} -m worker account login --email {EMAIL} <&-",
        shell=True,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (closed.returncode, "no password on standard input" in closed.stderr) == (3, True)


def test_what_looks_like_markup_is_shown_as_it_was_written(stack, account):
    reason = "see [/archive/118] [bold]now[/bold]"
    stack.retention("hold", "place", str(account), "--actor", "mori[/]", "--reason", reason, check=True)
    for command in (("hold", "list"), ("explain", str(account))):
        told = stack.retention(*command, check=True).out
        assert reason in told
        assert "mori[/]" in told


def test_a_password_is_never_taken_from_the_arguments(stack, account):
    for name in ("register", "reactivate", "login", "recover"):
        assert "--password" not in stack.retention("account", name, "--help", check=True).out
    refused(stack.retention("account", "login", "--email", EMAIL, "--password", "x", given=PASSWORD), 2, "--password")


def test_at_a_terminal_a_new_password_is_asked_for_twice_and_not_shown(stack, engine):
    read, write = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.execve(
            sys.executable,
            [sys.executable, "-m", "worker", "account", "register", "--email", EMAIL, "--json"],
            stack.environment,
        )
    os.close(write)
    shown = b""

    def answered(prompt):
        nonlocal shown
        shown += os.read(terminal, 1024)
        return shown.endswith(prompt)

    for prompt in (b"New password: ", b"Repeat for confirmation: "):
        until(lambda prompt=prompt: answered(prompt), "it asks")
        os.write(terminal, b"open sesame\n")
    with os.fdopen(read) as out:
        assert '"state": "active"' in out.read()
    assert os.waitpid(pid, 0)[1] == 0
    assert b"sesame" not in shown
    os.close(terminal)
    assert stack.retention("account", "login", "--email", EMAIL, given=PASSWORD).code == 0


def test_registering_anew_after_a_late_worker_is_in_the_log(stack, engine, account):
    stack.retention("account", "withdraw", str(account), check=True)
    at(engine, account, 40)
    refused(stack.retention("account", "reactivate", "--email", EMAIL, given=PASSWORD), 3, "window", "is over")
    late = stack.retention("explain", str(account), "--json", check=True).json
    assert (late["state"], late["effective_state"]) == ("withdrawn", "counter_only")
    registered(stack)
    (action,) = stack.retention("log", "list", "--account", str(account), "--json", check=True).json["actions"]
    assert action["action"] == "counter_only"
    assert stack.retention("explain", str(account), "--json", check=True).json["state"] == "counter_only"


def test_a_hold_is_placed_listed_released_and_kept(stack, account):
    placed = stack.retention("hold", "place", str(account), *ACTOR, "--json", check=True).json
    assert placed == {"id": 1, "account_id": account}
    (listed,) = stack.retention("hold", "list", "--json", check=True).json["holds"]
    assert (listed["reason"], listed["placed_by"], listed["released_at"]) == ("complaint", "legal", None)
    assert "complaint" in stack.retention("hold", "list", check=True).out
    (explained,) = stack.retention("explain", str(account), "--json", check=True).json["holds"]
    assert explained["id"] == 1
    released = stack.retention("hold", "release", "1", *ACTOR, "--json", check=True).json
    assert (released["id"], released["released_by"]) == (1, "legal")
    assert stack.retention("hold", "list", "--json", check=True).json == {"holds": []}
    assert stack.retention("hold", "list", check=True).out == "No unreleased hold.\n"
    (kept,) = stack.retention("hold", "list", "--released", "--json", check=True).json["holds"]
    assert kept == released
    refused(stack.retention("hold", "release", "1", *ACTOR), 3, "hold 1 was released already")
    refused(stack.retention("hold", "release", "2", *ACTOR), 3, "there is no hold 2")
    refused(stack.retention("hold", "place", "99", *ACTOR), 3, "there is no account 99")
    refused(stack.retention("hold", "place", str(account), "--actor", " ", "--reason", "x"), 2, "--actor")


def test_the_story_of_an_account_at_another_instant(stack, engine):
    with engine.begin() as connection:
        number = an_account(connection, state="withdrawn", withdrawn_at=datetime(2026, 1, 1, 3, tzinfo=UTC))

    def explained(instant):
        return stack.retention("explain", str(number), "--at", instant, "--json", check=True).json

    before, after = explained("2026-01-31T23:59:59+09:00"), explained("2026-02-01T00:00:00+09:00")
    assert (before["effective_state"], before["prevented"]["counter_only"]) == ("withdrawn", ["its day has not come"])
    assert (after["effective_state"], after["prevented"]["counter_only"]) == ("counter_only", [])
    assert after["because"]["counter_only"] == (
        "withdrawn on 2026-01-01 in Asia/Tokyo; the owner can reactivate through day 30, 2026-01-31 "
        "(the service's manual, section 9.2)"
    )
    assert after["reckoned"]["counter_only"] == {
        "event_at": "2026-01-01T12:00:00+09:00",
        "first_day": "2026-01-02",
        "last_day": "2026-01-31",
        "length": 30,
    }
    assert after["because"]["counter_only"] in stack.retention("explain", str(number), check=True).out


def test_without_a_broker_nobody_is_let_in_and_the_exit_code_says_so(stack, account):
    nowhere = {"RETENTION_BROKER_URL": "redis://127.0.0.1:1/0"}
    refused(stack.retention("account", "login", "--email", EMAIL, given=PASSWORD, **nowhere), 5, "cannot be counted")
    assert stack.retention("account", "withdraw", str(account), **nowhere).code == 0
