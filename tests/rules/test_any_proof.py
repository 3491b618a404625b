"""Whatever is made of a certificate or an export: that is found, in one line, or it says the same as before."""

import json
import os
import subprocess
import sys

import pytest
from at_prompt import typing
from fuzzing import altered, as_json, damaged, examples, meaning
from hypothesis import given
from hypothesis import strategies as st
from proven import a_chain, certified, lay_out, said, tampered, write_export

from tasks import directory

CHAIN = a_chain(3, 1, 2, 5)
CERTIFICATE = certified(CHAIN, 2, 0)
TEXT = json.dumps(CERTIFICATE.as_json(), indent=1).encode()
HEADS = [f"{receipt.number}:{receipt.digest.hex()}" for receipt, _ in CHAIN]


@pytest.fixture
def typed(capsys):
    return typing(capsys)


def assert_told(result, *, same):
    """True only where it means the same; else in one line that it differs, or was held against nothing."""
    assert result.code in (0, 3, 6), result.err
    if result.code == 0:
        assert same, result.out
    else:
        assert result.out == ""
        assert len(result.err.splitlines()) == 1, result.err
        assert result.err.startswith("retention: ")
        assert len(result.err) < 1000


def test_a_certificate_made_another_is_never_true(typed, tmp_path):
    file = tmp_path / "certificate"

    @examples(300)
    @given(damaged(TEXT) | altered(json.loads(TEXT)).map(as_json), st.sets(st.sampled_from(HEADS[1:]), min_size=1))
    def check(content, heads):
        file.write_bytes(content)
        known = [part for head in heads for part in ("--head", head)]
        assert_told(typed("log", "check", str(file), *known), same=meaning(content) == meaning(TEXT))

    check()


def test_a_certificate_as_it_was_written_is_true(typed, tmp_path):
    (tmp_path / "certificate").write_bytes(TEXT)
    assert_told(typed("log", "check", str(tmp_path / "certificate"), "--head", HEADS[-1]), same=True)


def test_an_export_made_another_is_never_true(typed, tmp_path):
    head = write_export(CHAIN, tmp_path, receipts=2)
    was = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    @examples(300)
    @given(tampered(was))
    def check(files):
        with lay_out(files, tmp_path / "tampered") as place:
            result = typed("log", "check", str(place), "--head", str(head))
        assert_told(result, same=said(files, was) == said(was, was))

    check()


def test_an_export_as_it_was_written_is_true(typed, tmp_path):
    head = write_export(CHAIN, tmp_path, receipts=2)
    assert_told(typed("log", "check", str(tmp_path), "--head", str(head)), same=True)


LONG = {
    "arrays": b"[" * 10_000_000,
    "objects": b'{"format":' * 1_000_000,
    "a number": b"9" * 10_000_000,
    "a text": b'"' + b"a" * 10_000_000,
}


@pytest.mark.parametrize("what", LONG)
def test_a_line_of_many_megabytes_is_said_to_be_none(tmp_path, what):
    for name in ("certificate", "export/000001-000000000001-000000000002-" + "ab" * 32 + ".jsonl"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(LONG[what])
        place = str(file if name == "certificate" else file.parent)
        # In a process of its own: what goes as deep as Python can is not to be felt by other tests.
        done = subprocess.run([sys.executable, "-m", "worker", "log", "check", place], capture_output=True, check=False)
        assert done.returncode == 6, done.stderr


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/dev/null/x", "nowhere", "a" * 5000, "x\udcff", "a\nb"])
@pytest.mark.parametrize("command", [("log", "check"), ("log", "verify", "--against")])
def test_what_is_no_certificate_at_all_is_said_to_be_none(typed, command, place):
    refused = typed(*command, place)
    assert refused.code in (2, 3, 4, 5, 6), refused.err
    assert refused.out == ""
    assert len(refused.err.splitlines()) == 1


def test_a_line_without_an_end_does_not_fill_the_memory(typed, tmp_path, monkeypatch):
    (tmp_path / f"000001-000000000001-000000000002-{'ab' * 32}.jsonl").symlink_to("/dev/zero")
    monkeypatch.setattr(directory, "LONGEST_LINE_BYTES", 1_000_000)
    assert typed("log", "check", str(tmp_path)).code == 6


@pytest.mark.parametrize("encoding", ["ascii", "shift_jis", "utf-8:strict"])
def test_a_sign_that_a_terminal_cannot_show_is_no_bug(tmp_path, encoding):
    file = tmp_path / "証明😀\udcff"
    file.write_bytes(TEXT)
    command = [sys.executable, "-m", "worker", "log", "check", str(file), "--head", HEADS[-1]]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    told = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (told.returncode, told.stderr) == (0, b"")
    assert b"is true" in told.stdout
