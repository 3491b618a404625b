"""Whatever was made of an export: nothing is acted on by it, and nothing added to it, unless it is whole."""

import journal
from fuzzing import examples
from hypothesis import given
from logs import a_log
from proven import a_chain, lay_out, said, tampered, write_export

from models import PolicyName
from tasks import export as exporting
from tasks.export import export_log
from tasks.replay import RECEIPTS_AT_ONCE

BY = ("--yes", "--actor", "sato", "--reason", "the backup of 1 May", "--json")


def is_beginning(found, whole):
    return found == whole[: len(found)]


def test_a_replay_of_an_export_made_another_acts_on_nothing(stack, engine, tmp_path):
    write_export(a_chain(3, 1, 2, 5, 1), tmp_path / "was", receipts=2)
    was = {file.name: file.read_bytes() for file in (tmp_path / "was").iterdir()}
    journal.begin(engine)

    @examples(20, shrinking=False)
    @given(tampered(was))
    def check(files):
        before = journal.changes(engine)
        with lay_out(files, tmp_path / "tampered") as place:
            done = stack.retention("log", "replay", str(place), *BY)
        assert done.code in (0, 6), done.err
        if done.code:
            assert journal.changes(engine) == before
            assert len(done.err.splitlines()) == 1, done.err
        else:
            assert is_beginning(said(files, was), said(was, was))

    check()


def test_a_replay_that_finds_a_late_break_has_done_nothing_before(stack, engine, tmp_path):
    write_export(a_chain(*[1] * (RECEIPTS_AT_ONCE + 2)), tmp_path / "export", receipts=RECEIPTS_AT_ONCE)
    last = max((tmp_path / "export").iterdir())
    last.write_bytes(last.read_bytes().replace(b'"account_id":', b'"account_id":1', 1))
    journal.begin(engine)
    assert stack.retention("log", "replay", str(tmp_path / "export"), *BY).code == 6
    assert journal.changes(engine) == {}


def test_an_export_made_another_is_not_gone_on_with(stack, engine, policies, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MOST_RECEIPTS", 2)
    a_log(engine, policies, 7)
    export_log(engine, str(tmp_path / "was"))
    was = {file.name: file.read_bytes() for file in (tmp_path / "was").iterdir()}
    a_log(engine, policies, 5, policy=PolicyName.PURGE)

    @examples(20, shrinking=False)
    @given(tampered(was))
    def check(files):
        with lay_out(files, tmp_path / "tampered") as place:
            done = stack.retention("log", "export", str(place), "--json")
            now = {file.name: file.read_bytes() for file in place.iterdir()}
        assert done.code in (0, 6), done.err
        kept = {name: content for name, content in files.items() if not name.endswith(".part")}
        assert kept.items() <= now.items()
        if done.code:
            assert now == kept
            assert len(done.err.splitlines()) == 1, done.err

    check()
