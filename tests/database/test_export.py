"""The exported log: whole segments only, each going on where the newest ends, read back as it was written."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from logs import a_log, unguarded
from processes import until
from sqlalchemy import select

from models import ChainHead, PolicyName
from models.errors import ExportRunningError, InvalidConfiguration, Unavailable, Unverified
from models.proof import Head
from tasks import export as exporting
from tasks.chain import entries, snapshot
from tasks.check_export import check_export
from tasks.directory import Directory
from tasks.export import export_log
from tasks.exported import exported_head, exported_receipts
from tasks.rules.segments import listed
from tasks.seal import seal
from tasks.statements.proof import lock_export


@pytest.fixture
def log(engine, policies):
    """Five receipts: of 3, 3 and 1 accounts moved, of 3 and 2 purged."""
    a_log(engine, policies, 7)
    a_log(engine, policies, 5, policy=PolicyName.PURGE)


def forbidden(*_, **__):
    raise PermissionError


@pytest.fixture(params=["a directory", "memory", "an object store"])
def url(request, tmp_path, monkeypatch):
    """A place to export to, which does not exist yet; in the object store nobody has the right to delete."""
    if request.param == "an object store":
        monkeypatch.setattr("tasks.directory.OBJECT_STORES", {"memory"})
        monkeypatch.setattr(MemoryFileSystem, "rm", forbidden)
        monkeypatch.setattr(MemoryFileSystem, "_rm", forbidden)
    return str(tmp_path / "log" / "here") if request.param == "a directory" else f"memory://{tmp_path.name}/log"


@pytest.fixture
def small(monkeypatch):
    """Segments of two receipts at most."""
    monkeypatch.setattr(exporting, "MOST_RECEIPTS", 2)


def head_of(engine):
    with engine.connect() as connection:
        return Head(*connection.execute(select(ChainHead.number, ChainHead.digest)).one())


def nobody_exports(engine):
    with engine.connect() as connection:
        return connection.scalar(lock_export())


def content(engine):
    with snapshot(engine) as connection:
        return list(entries(connection, 1, head_of(engine).number))


def files(url):
    directory = Directory(url)
    return {name: b"".join(directory.lines(name)) for name in directory.names()}


@pytest.mark.usefixtures("log")
def test_what_is_exported_is_what_the_log_holds(engine, url):
    done = export_log(engine, url)
    assert (done.receipts, done.actions, done.head, done.whole) == (5, 12, head_of(engine), True)
    assert list(files(url)) == done.segments == [f"000001-000000000001-000000000005-{done.head.digest.hex()}.jsonl"]
    assert exported_head(url) == done.head
    assert list(exported_receipts(url)) == content(engine)
    assert list(exported_receipts(url, after=3)) == content(engine)[3:]
    checked = check_export(url, [done.head, Head(2, content(engine)[1][0].digest)])
    assert (checked.receipts, checked.actions, checked.head, checked.restores) == (5, 12, done.head, 0)
    assert [head.number for head in checked.held] == [2, 5]


@pytest.mark.usefixtures("small", "log")
def test_an_export_goes_on_where_it_ended_and_changes_nothing(engine, policies, url):
    assert len(export_log(engine, url).segments) == 3
    before = files(url)
    again = export_log(engine, url)
    assert (again.receipts, again.segments, again.head) == (0, [], head_of(engine))
    a_log(engine, policies, 4)
    assert len(export_log(engine, url).segments) == 1
    after = files(url)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert list(exported_receipts(url)) == content(engine)
    assert check_export(url).receipts == 7


def test_a_log_without_receipts_exports_nothing(engine, url):
    done = export_log(engine, url)
    assert (done.segments, done.head, done.whole) == ([], None, True)
    assert exported_head(url) is None
    assert files(url) == {}


@pytest.mark.usefixtures("small", "log")
def test_an_export_whose_time_is_up_ends_with_a_whole_segment(engine, url):
    done = export_log(engine, url, enough=lambda: True)
    assert (len(done.segments), done.whole, done.head.number) == (1, False, 2)
    assert export_log(engine, url).receipts == 3


@pytest.mark.usefixtures("small", "log")
@pytest.mark.parametrize("damage", ["flip", "cut", "append", "remove", "double", "rename"])
def test_damage_to_an_export_is_found(engine, tmp_path, damage):
    export_log(engine, str(tmp_path))
    second = sorted(tmp_path.iterdir())[1]
    was = second.read_bytes()
    if damage == "flip":
        second.write_bytes(was.replace(b'"account_id":', b'"account_id":1', 1))
    elif damage == "cut":
        second.write_bytes(was[: was.rindex(b'{"head"')])
    elif damage == "append":
        second.write_bytes(was + was.splitlines(keepends=True)[1])
    elif damage == "remove":
        second.unlink()
    elif damage == "double":
        second.with_name(second.name.replace("000000000004-", "000000000003-")).write_bytes(was)
    else:
        second.rename(second.with_name(second.name[:35] + "0" * 64 + ".jsonl"))
    with pytest.raises(Unverified):
        check_export(str(tmp_path))


@pytest.mark.usefixtures("small", "log")
def test_every_changed_byte_of_a_segment_is_found(engine, tmp_path):
    export_log(engine, str(tmp_path))
    known = [head_of(engine)]
    second = sorted(tmp_path.iterdir())[1]
    was = second.read_bytes()
    for index in range(0, len(was), 3):
        second.write_bytes(was[:index] + bytes([was[index] ^ 1]) + was[index + 1 :])
        with pytest.raises(Unverified):
            check_export(str(tmp_path), known)
    second.write_bytes(was)
    assert check_export(str(tmp_path), known).held == tuple(known)


KILLED = """
import os, signal, sys
from tasks import export
from tasks.directory import Part
from worker.database import connect
export.MOST_RECEIPTS = 2
write, keep, kept = Part.write, Part.keep, []
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def writing(self, data):
    write(self, data[:50])
    self.file.flush()
    die() if sys.argv[3] == "writing" and kept else write(self, data[50:])
def keeping(self, name):
    die() if sys.argv[3] == "keeping" and kept else keep(self, name)
    kept.append(name)
Part.write, Part.keep = writing, keeping
export.export_log(connect(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.usefixtures("small", "log")
@pytest.mark.parametrize("when", ["writing", "keeping"])
def test_an_export_killed_in_the_middle_leaves_whole_segments_and_is_taken_up(engine, database_url, tmp_path, when):
    killed = subprocess.run([sys.executable, "-c", KILLED, database_url, str(tmp_path), when], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # one segment, and what was begun
    assert check_export(str(tmp_path)).receipts == 2
    until(partial(nobody_exports, engine), "the killed export's session is gone from the server")
    assert export_log(engine, str(tmp_path)).receipts == 3
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl"}
    assert list(exported_receipts(str(tmp_path))) == content(engine)


@pytest.mark.usefixtures("small", "log")
def test_two_exports_at_once_write_everything_once(engine, url):
    def attempt(_):
        try:
            return export_log(engine, url).receipts
        except ExportRunningError:
            return 0

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(attempt, range(8)))
    assert sum(done) == 5
    assert list(exported_receipts(url)) == content(engine)
    assert len(listed(Directory(url).names())) == len(files(url)) == 3


@pytest.mark.usefixtures("log")
def test_an_export_is_refused_while_another_is_at_work(engine, url, monkeypatch):
    def meanwhile(*arguments):
        with pytest.raises(ExportRunningError):
            export_log(engine, url)
        return resume(*arguments)

    resume = exporting.resume_point
    monkeypatch.setattr(exporting, "resume_point", meanwhile)
    assert export_log(engine, url).receipts == 5


def lose_all_after(engine, number):
    """Bring the log back to when it had so many receipts, as restoring a backup does."""
    with engine.begin() as connection:
        unguarded(
            connection,
            f"DELETE FROM actions USING receipts WHERE receipt_id = receipts.id AND number > {number}",
            f"DELETE FROM receipts WHERE number > {number}",
            f"""
            UPDATE chain_heads SET number = r.number, previous = r.previous, digest = r.digest,
                   actions = (SELECT count(*) FROM actions) FROM receipts r WHERE r.number = {number}
            """,
        )


@pytest.fixture
def restored(engine, log, small, url):
    """An exported log whose database was restored from a backup of when it had three receipts; its head before."""
    export_log(engine, url)
    exported = head_of(engine)
    lose_all_after(engine, 3)
    return exported


def test_a_database_behind_its_export_is_named_and_nothing_is_written(engine, url, restored):
    before = files(url)
    with pytest.raises(Unverified, match="is behind") as refused:
        export_log(engine, url)
    assert str(restored) in str(refused.value)
    assert str(head_of(engine)) in str(refused.value)
    assert files(url) == before


def test_a_database_that_went_another_way_than_its_export_is_named(engine, policies, url, restored):
    a_log(engine, policies, 9)
    before = files(url)
    with pytest.raises(Unverified, match="another receipt") as refused:
        export_log(engine, url)
    assert str(restored) in str(refused.value)
    assert files(url) == before
    with pytest.raises(Unverified, match="receipt 5 is not the one that is known"):
        check_export(url, [Head(5, bytes(32))])


@pytest.fixture
def repeat(engine, policies, monkeypatch):
    """Append receipts that repeat others, as `replay` does after a restore."""

    def run(digests):
        for digest in digests:
            monkeypatch.setattr("tasks.batch.seal", partial(seal, replays=digest))
            a_log(engine, policies, 1)
        monkeypatch.setattr("tasks.batch.seal", seal)

    return run


def test_after_a_restore_an_export_goes_on_from_the_last_common_receipt(engine, policies, url, restored, repeat):
    lost = [receipt.digest for receipt, _ in exported_receipts(url, after=3)]
    before = files(url)
    a_log(engine, policies, 1)
    repeat(lost)
    done = export_log(engine, url)
    assert (done.receipts, done.head, done.segments[0][:20]) == (3, head_of(engine), "000004-000000000004-")
    after = files(url)
    assert {name: after[name] for name in before} == before
    assert exported_head(url) == head_of(engine)
    assert list(exported_receipts(url)) == content(engine)
    checked = check_export(url, [restored, head_of(engine)])
    assert (checked.receipts, checked.actions, checked.restores) == (6, 10, 1)
    assert checked.held == (restored, head_of(engine))
    a_log(engine, policies, 2)
    assert export_log(engine, url).receipts == 1
    assert check_export(url).receipts == 7


def test_a_restore_behind_an_earlier_one_is_followed_as_well(engine, policies, url, restored, repeat):
    repeat([receipt.digest for receipt, _ in exported_receipts(url, after=3)])
    export_log(engine, url)
    lost = [receipt.digest for receipt, _ in exported_receipts(url, after=1)]
    lose_all_after(engine, 1)
    repeat(lost)
    export_log(engine, url)
    assert list(exported_receipts(url)) == content(engine)
    assert check_export(url).restores == 2


def test_receipts_that_are_given_up_and_not_repeated_are_found(engine, url, restored, repeat):
    repeat([restored.digest])
    export_log(engine, url)
    with pytest.raises(Unverified, match="receipt 4 was given up by a restore"):
        check_export(url)


@pytest.mark.usefixtures("log")
def test_a_log_that_was_changed_is_not_exported(engine, url):
    with engine.begin() as connection:
        unguarded(connection, "UPDATE actions SET account_id = 0 WHERE id = 12")
    with pytest.raises(Unverified, match="changed at receipt 5, action 12"):
        export_log(engine, url)
    assert files(url) == {}


@pytest.mark.parametrize(
    ("url", "error", "part"),
    [
        ("nowhere://u:secret@h/d", InvalidConfiguration, "nowhere://…@h/d"),
        ("s3://key:secret@bucket/log", InvalidConfiguration, "driver"),
        ("simplecache::file:///tmp/x", InvalidConfiguration, "chain of URLs"),
        ("/dev/null/log", InvalidConfiguration, "NotADirectoryError"),
        ("/proc/log", Unavailable, "/proc/log"),
        ("ftp://u:secret@127.0.0.1:1/log", Unavailable, "ftp://…@127.0.0.1:1/log"),
    ],
)
@pytest.mark.usefixtures("log")
def test_a_place_that_cannot_be_used_is_named_without_its_secrets(engine, url, error, part):
    with pytest.raises(error) as refused:
        export_log(engine, url)
    assert part in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.usefixtures("small", "log")
def test_a_segment_of_another_history_is_found_though_it_is_whole_in_itself(engine, policies, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    export_log(engine, str(one))
    lose_all_after(engine, 1)
    a_log(engine, policies, 9)
    export_log(engine, str(other))
    mixed = [min(other.iterdir()), *sorted(one.iterdir())[1:]]
    for file in mixed:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(Unverified, match=r"000002-.* follows 2:.*, which no segment before it contains"):
        check_export(str(tmp_path))
