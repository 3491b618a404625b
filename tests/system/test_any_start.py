"""What starts servers, fills a database or makes roles: a bad argument is refused before anything begins."""

import journal
import pytest
from administration import Administration
from fuzzing import examples, texts
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

# Command → its options that want a number, each from which to which.
WANTED = {
    ("up",): [("--seed", 1, None)],
    ("seed",): [("--accounts", 1, 10**9), ("--seed", None, None)],
    ("migrate",): [("--partitions", 2, 256)],
    ("serve",): [],
    ("roles", "create"): [],
}
PASSWORD = "twelve signs or more"


def is_number(given_):
    try:
        int(given_)
    except ValueError:
        return False
    return True


words = texts.filter(lambda given_: not given_.startswith("-") and not is_number(given_))


def beyond(least, most):
    """Draw what is no number between these."""
    below = st.integers(max_value=least - 1) if least is not None else st.nothing()
    above = st.integers(min_value=most + 1) if most is not None else st.nothing()
    return words | (below | above).map(str)


@st.composite
def bad_lines(draw):
    """Draw a command with one thing wrong."""
    line = draw(st.sampled_from(list(WANTED)))
    options = WANTED[line]
    wrong = draw(st.sampled_from(["number", "more", "unknown"] if options else ["more", "unknown"]))
    right = ["--accounts", "3"] if line == ("seed",) else []
    if wrong == "more":
        return [*line, *right, draw(words)]
    if wrong == "unknown":
        return [*line, *right, f"--{draw(st.sampled_from(['force', 'yes', 'accounts-', 'x' * 3000, '😀']))}"]
    option, *bounds = draw(st.sampled_from(options))
    return [*line, *right, option, draw(beyond(*bounds))]


def test_a_bad_argument_is_refused_and_nothing_is_begun(stack, engine):
    journal.begin(engine)

    @examples(30, shrinking=False)
    @given(bad_lines())
    def check(line):
        refused = stack.retention(*line, within=stack.directory)
        assert (refused.code, refused.out) == (2, ""), (line, refused.err)
        assert len(refused.err.splitlines()) == 1, refused.err
        assert refused.err.startswith("retention: ")

    check()
    assert journal.changes(engine) == {}


def test_any_number_makes_a_population(stack, engine):
    @examples(3, shrinking=False)
    @given(st.integers(1, 3), st.integers())
    @example(1, 10**100)
    @example(1, -(2**63))
    def check(accounts, number):
        before = count(engine)
        line = ["seed", "--append", "--accounts", str(accounts), "--seed", str(number), "--json"]
        assert stack.retention(*line, check=True).json["accounts"] == accounts
        assert count(engine) == before + accounts

    check()


def count(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM accounts"))


def roles_of(engine):
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT rolname FROM pg_roles")))


@pytest.fixture
def roles_go(servers):
    """Those that a test makes go after it."""
    with Administration(servers.database_url) as administration:
        made = set()
        yield made
        for role in made:
            quoted = role.replace('"', '""').replace(":", r"\:")
            administration(f'DROP ROLE IF EXISTS "{quoted}"')


NAMES = [
    "public",
    "none",
    "current_user",
    "pg_x",
    "postgres",
    "a" * 63,
    "a" * 64,
    "あ" * 21,
    '"',
    "'",
    "%s",
    "a:b",
    "\\",
    "{",
]


def test_any_name_of_a_role_is_taken_or_refused(roles_go, stack, engine):
    before = roles_of(engine)
    (stack.directory / "password").write_text(PASSWORD)
    (stack.directory / "password").chmod(0o600)
    file = [part for kind in ("worker", "web-server", "reader") for part in (f"--{kind}-password-file", "password")]
    codes = set()

    @examples(25, shrinking=False)
    @given(st.sampled_from(NAMES) | texts, st.sampled_from(NAMES) | texts)
    @example("worker%s", "reader:x")
    def check(worker, reader):
        there = roles_of(engine)
        line = ["roles", "create", "--worker", worker, "--reader", reader, *file]
        made = stack.retention(*line, within=stack.directory)
        codes.add(made.code)
        assert made.code in (0, 2, 3, 4), (line, made.err)
        if made.code == 0:
            assert {worker, reader} <= roles_of(engine)
        else:
            assert len(made.err.splitlines()) == 1, made.err
            assert roles_of(engine) == there

    try:
        check()
        assert {0, 4} <= codes
    finally:
        roles_go |= roles_of(engine) - before
