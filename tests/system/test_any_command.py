"""Whatever somebody types: a command does what it says and records it, or refuses in one line, with the right code."""

import json
from datetime import UTC, datetime, timedelta

import click
import journal
import pytest
from builders import a_hold, an_account
from fuzzing import examples, signs, texts
from hypothesis import example, given
from hypothesis import strategies as st
from logs import a_log
from people import HASHER
from sqlalchemy import text

from worker.cli import cli

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=3000)
# They start servers, fill a database, or make roles of the whole server: below, with what they must refuse.
STARTING = {"up", "serve", "seed", "migrate", "roles"}
# Would wait for a worker.
LEFT_OUT = {"--wait"}
CODES = {0, 2, 3, 4, 5, 6}
NUMBERS = 12


def commands(group, *above):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        elif not STARTING & {name, *above}:
            yield (*above, name), [each for each in command.params if not LEFT_OUT & {*each.opts}]


COMMANDS = list(commands(cli))
THERE = st.integers(1, NUMBERS).map(str)
PLACES = [
    "/dev/null",
    "/dev/zero",
    ".",
    "/dev/null/x",
    "memory://x/y",
    "file://",
    "s3://x",
    "zip://x",
    "a" * 5000,
    "x\udcff",
]
PLACES += [
    "http://127.0.0.1:1/x",
    "ftp://127.0.0.1:1/x",
    "local://x",
    "data:,x",
    "::",
    "dir::file://x",
    "certificate",
    "export",
]
INSTANTS = ["2026-04-01T00:00:00+09:00", "0001-01-01", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00.1+00:00:01"]
HEADS = ["1:" + "ab" * 32, "0:" + "00" * 32, "-1:zz", "1:" + "٣" * 64]
WORDS = ["purge", "counter_only", "all", "mori", "legal", "-", "--", "viewer", "seeker@example.jp"]
anything = texts.map(lambda given_: given_.replace("/", "-").replace("~", "-"))  # nothing is to be written but here
given_values = st.one_of(THERE, anything, st.integers().map(str), st.sampled_from([*PLACES, *INSTANTS, *HEADS, *WORDS]))


def fitting(parameter):
    """Draw what a parameter asks for, as far as that is known here, or anything."""
    name, kind = parameter.name, parameter.type
    if isinstance(kind, click.Choice):
        return st.sampled_from(list(kind.choices)) | given_values
    if isinstance(kind, click.types.IntParamType):
        return st.one_of(THERE, THERE, given_values)
    if name in ("actor", "reason", "staff", "office"):
        return st.sampled_from(["mori", "山田"]) | texts
    if name == "email":
        return st.sampled_from([f"person{number}@example.jp" for number in range(4, NUMBERS)]) | texts
    return given_values


@st.composite
def lines(draw):
    """Draw a command's words with some of its own options, seldom with what does not belong there."""
    words, parameters = draw(st.sampled_from(COMMANDS))
    line = [*words]
    for parameter in draw(st.permutations(parameters)):
        likely = 19 if parameter.required else 3
        if draw(st.integers(0, likely)) < (1 if parameter.required else 2):
            continue
        if isinstance(parameter, click.Argument):
            line.append(draw(fitting(parameter)))
        elif parameter.is_flag:
            line.append(parameter.opts[0])
        else:
            line += [parameter.opts[0], draw(fitting(parameter))]
    if not draw(st.integers(0, 19)):
        line.insert(draw(st.integers(0, len(line))), draw(given_values))
    return line


@pytest.fixture
def peopled(engine, policies):
    """Accounts in every state, each known by a small number, with something to decide about, and a log."""
    a_log(engine, policies, 3)
    with engine.begin() as connection:
        for state, status, at in [
            ("active", "valid", None),
            ("active", "invalid", NOW - timedelta(days=9)),
            ("withdrawn", "valid", NOW - timedelta(days=3)),
            ("withdrawn", "valid", LONG_AGO),
            ("counter_only", "valid", LONG_AGO),
            ("active", "invalid", LONG_AGO),
            ("active", "invalid", None),
            ("withdrawn", None, None),
        ]:
            an_account(
                connection,
                state=state,
                status=status,
                withdrawn_at=at if state != "active" else None,
                counter_only_at=at if state == "counter_only" else None,
                invalidated_at=at if status == "invalid" else None,
            )
        a_hold(connection, 1)
        connection.execute(text(KNOWN), {"hash": HASHER.hash(PASSWORD)})
        for statement in OTHERS:
            connection.execute(text(statement))
    journal.begin(engine)
    return engine


PASSWORD = "the right one"
KNOWN = "UPDATE accounts SET email = 'person' || id || '@example.jp', password_hash = :hash WHERE email IS NOT NULL"
OTHERS = [
    """
    INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, held_at, held_for, planned, planned_digest)
    SELECT policy, now(), now(), 'beat', 'r', 'held', now(),
           '[{"gate": "ceiling", "detail": "too many", "needs_approval": true, "numbers": {}}]', 0, '\\x00'
      FROM unnest(ARRAY['purge', 'counter_only', 'purge']) AS policy""",
    "INSERT INTO doomed_files (storage_key, sweep_id) SELECT 'documents/' || n, 1 FROM generate_series(1, 9) AS n",
    """
    INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
    SELECT id, 'purge', 3, 'SQLSTATE 23503', now(), now(), now() FROM accounts WHERE id BETWEEN 5 AND 7""",
]


def assert_right(line, result):
    """One document or some text for a command that was carried out, else one line and nothing more."""
    assert result.code in CODES, (line, result.err)
    assert "Traceback" not in result.err + result.out
    if result.code in (2, 4) and line[0] != "doctor":
        assert result.out == "", line
        told = [each for each in result.err.splitlines() if "RETENTION_DATABASE_URL is not set" not in each]
        assert len(told) == 1 or "Usage:" in result.err, (line, result.err)
    if result.code == 0 and "--json" in line and "--help" not in line:
        json.loads(result.out)


def test_any_line_is_carried_out_and_recorded_or_refused(stack, peopled):
    place = stack.directory / "here"
    place.mkdir()
    stack.retention("log", "certificate", "1", "--output", "certificate", within=place, check=True)
    stack.retention("log", "export", "export", within=place, check=True)

    @examples(25, shrinking=False)
    @example(["pause", "purge", "--actor", "mori", "--reason", "a look at it"], PASSWORD)
    @given(lines(), st.just(PASSWORD) | st.text(signs, max_size=30))
    def check(line, password):
        assert_right(line, stack.retention(*line, given=password, within=place))
        assert journal.unrecorded(peopled) == {}, line

    check()
    assert journal.changes(peopled)
