"""Whatever a file of tokens or of a secret holds: it can be used as it is meant, or one line says where it is wrong."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from at_prompt import typing
from fuzzing import altered, as_json, damaged, examples, meaning, texts
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import InvalidConfiguration
from worker.printable import printable
from worker.secret_files import read_secret
from worker.web.tokens import Role, Tokens, new_token

LATER = datetime.now(UTC) + timedelta(days=3)
MADE = [
    new_token("sato", Role.VIEWER, None),
    new_token("山田", Role.APPROVER, LATER),
    new_token("mori", Role.OPERATOR, None),
]
LINES = [entry.line() for _, entry in MADE]
CONTENT = "\n# of the office\n".join(LINES).encode() + b"\n"
SECRET = "postgresql://retention:hun7er2@db/mypage"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "secret"
    file.touch(0o600)
    return file


def assert_refused(error, *secrets):
    said = printable(str(error))
    assert len(said.splitlines()) == 1, said
    assert len(said) < 8000
    for secret in secrets:
        assert secret not in said


def altered_line():
    """Draw the lines with the JSON of one made another."""
    number = st.integers(0, len(LINES) - 1)
    other = number.flatmap(lambda which: st.tuples(st.just(which), altered(json.loads(LINES[which]))))
    return other.map(lambda pair: written([*LINES[: pair[0]], pair[1], *LINES[pair[0] + 1 :]]))


def written(lines):
    return b"\n".join(line.encode() if isinstance(line, str) else as_json(line) for line in lines)


def test_lines_of_tokens_made_others_let_in_nobody_by_mistake(file):
    digests = [entry.sha256 for _, entry in MADE]

    @examples(300)
    @given(damaged(CONTENT) | altered_line())
    @example(CONTENT.replace(b'"role": "viewer"', b'"role": "viewer", "role": "approver"'))
    @example(CONTENT.replace(b'"name"', b'"na' + b"[" * 10_000 + b'me"'))
    def check(content):
        file.write_bytes(content)
        try:
            entries = Tokens(None, file).entries()
        except InvalidConfiguration as error:
            assert_refused(error, *digests)
            return
        lines = [line.strip() for line in content.decode().split("\n")]
        meant = [json.loads(line) for line in lines if line and line[0] != "#" and meaning(line.encode()) is not None]
        assert [(each.name, each.role.label, each.sha256) for each in entries] == [
            (each["name"], each["role"], each["sha256"]) for each in meant
        ]

    check()


def test_any_name_that_is_given_a_token_leaves_the_file_in_order(file, capsys):
    typed = typing(capsys)

    @examples(100)
    @given(texts | st.text(max_size=5).map(lambda inner: f"a{inner}b"), st.sampled_from([role.label for role in Role]))
    @example("sa\u2028to", "viewer")
    def check(name, role):
        file.write_text(f"{LINES[0]}\n")
        before = Tokens(None, file).entries()
        made = typed("token", "new", "--role", role, "--file", str(file), "--json", "--", name)
        entries = Tokens(None, file).entries()
        if made.code:
            assert (made.code, made.out, entries) == (2, "", before)
            assert_refused(made.err)
        else:
            assert [(each.name, each.role.label) for each in entries[len(before) :]] == [(name, role)]
            assert Tokens(None, file).by_token(json.loads(made.out)["token"]) == entries[-1]

    check()


def test_a_secret_file_of_any_bytes_is_read_whole_or_refused(file):
    @examples(200)
    @given(damaged(SECRET.encode()) | st.binary(max_size=100))
    def check(content):
        file.write_bytes(content)
        try:
            secret = read_secret(file, "RETENTION_DATABASE_URL_FILE")
        except InvalidConfiguration as error:
            assert_refused(error, "hun7er2")
        else:
            assert secret == content.decode().strip() != ""
            assert len(secret.splitlines()) == 1

    check()


@pytest.mark.parametrize(
    "place", ["/dev/zero", "/dev/null", "/dev", "/dev/null/x", "a" * 5000, "a\nb", "\udcff", "pipe"]
)
def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(InvalidConfiguration) as refused:
        read_secret(Path(place), "RETENTION_DATABASE_URL_FILE")
    assert_refused(refused.value)
    with pytest.raises(InvalidConfiguration) as refused:
        Tokens(None, Path(place)).entries()
    assert_refused(refused.value)
