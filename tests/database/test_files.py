"""A purge keeps the keys of its files until the files are erased; nothing else is erased, nothing is forgotten."""

import logging
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import fsspec
import pytest
from builders import a_hold, a_sweep, an_account
from sqlalchemy import text
from stores import FlakyStore, SilentStore

from models import PolicyName
from models.errors import Refused, StatementError
from tasks import erase_files
from tasks.batch import run_batch
from tasks.erase_files import erase_portion
from tasks.files import files_left, files_left_of, list_files, retry, settle
from tasks.rules.cutoff import Cutoff
from tasks.statements.files import select_used
from tasks.statements.purge import owned_tables

NOW = datetime.now(UTC)
for each in (FlakyStore, SilentStore):
    fsspec.register_implementation(each.protocol, each, clobber=True)


@pytest.fixture
def store(tmp_path):
    """A directory of documents, in which a living account's file lies."""
    root = tmp_path / "documents"
    root.mkdir()
    (root / "another's.pdf").touch()
    return root


@pytest.fixture
def purge(engine, policies):
    """Purge every account that is due, in one sweep; returns its number."""

    def run(policy=PolicyName.PURGE):
        cutoff = Cutoff.of(policies, policy, NOW)
        with engine.begin() as connection:
            sweep_id = a_sweep(connection, cutoff, NOW)
        run_batch(engine, policies[policy], cutoff, sweep_id=sweep_id, lane=0, limit=1000)
        return sweep_id

    return run


def with_documents(engine, *keys, due=True) -> int:
    """Insert an account whose documents have these keys."""
    dates = {"status": "invalid", "invalidated_at": NOW - timedelta(days=3000)} if due else {}
    with engine.begin() as connection:
        account_id = an_account(connection, **dates)
        for key in keys:
            connection.execute(
                text("INSERT INTO documents (account_id, storage_key) VALUES (:id, :key)"),
                {"id": account_id, "key": key},
            )
    return account_id


def doomed(engine, *columns):
    """Rows of the outbox by id: one value each, or tuples."""
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT {', '.join(columns)} FROM doomed_files ORDER BY id")).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in rows]


def make_due(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE doomed_files SET next_try_at = now()"))


def put(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def paths_in(root):
    return sorted(str(each.relative_to(root)) for each in root.rglob("*") if each.is_file() or each.is_symlink())


def test_a_purge_keeps_each_key_of_its_documents_and_no_other(engine, purge):
    with_documents(engine, "a/1.pdf", "a/1.pdf", None, "a/2.pdf")
    with_documents(engine, "b/1.pdf", due=False)
    held = with_documents(engine, "c/1.pdf")
    with engine.begin() as connection:
        a_hold(connection, held)
    sweep_id = purge()
    assert sorted(doomed(engine, "storage_key", "sweep_id")) == [
        ("a/1.pdf", sweep_id),
        ("a/1.pdf", sweep_id),
        ("a/2.pdf", sweep_id),
    ]


def test_a_key_is_nobodys_so_that_no_purge_deletes_it():
    assert "doomed_files" not in {table.name for table in owned_tables()}


def test_closing_a_window_touches_no_file(engine, purge):
    with engine.begin() as connection:
        account_id = an_account(connection, state="withdrawn", withdrawn_at=NOW - timedelta(days=50))
        connection.execute(
            text("INSERT INTO documents (account_id, storage_key) VALUES (:id, 'a/1.pdf')"), {"id": account_id}
        )
    purge(PolicyName.COUNTER_ONLY)
    assert doomed(engine, "id") == []


def test_a_batch_that_is_rolled_back_keeps_no_key(engine, purge):
    with_documents(engine, "a/1.pdf")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE actions ADD CONSTRAINT refuses CHECK (account_id < 0)"))
    with pytest.raises(StatementError):
        purge()
    assert doomed(engine, "id") == []


@pytest.mark.parametrize("full", [False, True])
def test_files_of_a_purged_account_are_erased_and_what_is_gone_already_counts_as_gone(engine, purge, store, full):
    url = f"file://{store}"
    keys = ["a/1.pdf", "a/gone.pdf", "履歴書 #1.pdf"] if not full else [f"{url}/a/1.pdf", f"{url}/a/gone.pdf"]
    put(store, "a/1.pdf", "履歴書 #1.pdf")
    with_documents(engine, *keys)
    purge()
    assert erase_portion(engine, url) == {"erased": len(keys) - 1, "already_gone": 1}
    assert doomed(engine, "id") == []
    assert paths_in(store) == ["another's.pdf"] + ["履歴書 #1.pdf"] * full
    assert erase_portion(engine, url) == {}


@pytest.mark.parametrize("key", ["../outside.pdf", "/etc/hostname", "x/../../outside.pdf", "", "a\\b", "file:///tmp/x"])
def test_a_key_outside_the_prefix_is_refused_shown_and_never_erased(engine, purge, store, key):
    put(store.parent, "outside.pdf")
    with_documents(engine, key)
    sweep_id = purge()
    outcome = erase_portion(engine, f"file://{store}")
    assert paths_in(store.parent) == ["documents/another's.pdf", "outside.pdf"]
    assert doomed(engine, "failure", "refused_at IS NOT NULL") == [(*outcome, True)]
    assert erase_portion(engine, f"file://{store}") == {}
    with engine.connect() as connection:
        assert astuple(files_left(connection))[:4] == (0, 0, 1, 0)
        assert files_left_of(connection, [sweep_id]) == {sweep_id: {"left": 1, "overdue": 0, "refused": 1}}


@pytest.mark.parametrize("link", ["file", "directory"])
def test_a_link_that_leads_elsewhere_is_refused(engine, purge, store, link):
    put(store.parent, "elsewhere/1.pdf")
    if link == "file":
        (store / "1.pdf").symlink_to(store.parent / "elsewhere" / "1.pdf")
    else:
        (store / "a").symlink_to(store.parent / "elsewhere")
    with_documents(engine, "1.pdf" if link == "file" else "a/1.pdf")
    purge()
    assert erase_portion(engine, f"file://{store}") == {"symbolic_link": 1}
    assert (store.parent / "elsewhere" / "1.pdf").exists()
    assert doomed(engine, "failure", "refused_at IS NOT NULL") == [("symbolic_link", True)]


@pytest.mark.parametrize("spelling", ["a/1.pdf", "file://{}/a/1.pdf"])
def test_a_file_that_another_document_names_stays_until_none_does(engine, purge, store, spelling):
    url = f"file://{store}"
    put(store, "a/1.pdf")
    with_documents(engine, "a/1.pdf")
    living = with_documents(engine, spelling.format(store), due=False)
    purge()
    assert erase_portion(engine, url) == {"in_use": 1}
    assert (store / "a/1.pdf").exists()
    with engine.begin() as connection:
        assert astuple(files_left(connection)) == (0, 0, 0, 1, None)
        connection.execute(text("DELETE FROM documents WHERE account_id = :id"), {"id": living})
    assert erase_portion(engine, url) == {}, "it waits before it looks again"
    make_due(engine)
    assert erase_portion(engine, url) == {"erased": 1}


def test_whether_a_key_is_in_use_is_looked_up_in_an_index(engine):
    with_documents(engine, *(f"{number}.pdf" for number in range(2000)), due=False)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE documents"))
        statement = select_used(["7.pdf", "8.pdf"]).compile(engine)
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", statement.params).scalars().all()
    assert any(re.search("ix_documents_storage_key|documents_0_storage_key_idx", line) for line in plan), plan


def test_a_store_that_fails_half_of_its_calls_loses_all_files_in_the_end(engine, purge, store, caplog):
    keys = [f"{number % 7}/秘密{number}.pdf" for number in range(250)]
    put(store, *keys)
    with_documents(engine, *keys)
    purge()
    FlakyStore.erased.clear()
    caplog.set_level(logging.DEBUG)
    counted = Counter()
    for _ in range(100):
        counted += erase_portion(engine, f"flaky://{store}", most=60)
        assert set(doomed(engine, "failure")) <= {None, "PermissionError", "ConnectionResetError"}
        make_due(engine)
        if not doomed(engine, "id"):
            break
    assert paths_in(store) == ["another's.pdf"]
    assert counted["erased"] + counted["already_gone"] == len(keys)
    assert counted["PermissionError"] > 0 < counted["ConnectionResetError"]
    assert sorted(FlakyStore.erased.values()) == [1] * len(keys)
    assert "秘密" not in caplog.text


def test_a_failure_is_counted_by_its_kind_and_tried_again_later_and_later(engine, purge, store):
    (store / "a.pdf").mkdir()
    with_documents(engine, "a.pdf")
    purge()
    waits = []
    for attempt in range(1, 9):
        erase_portion(engine, f"file://{store}")
        ((attempts, failure, wait),) = doomed(engine, "attempts", "failure", "next_try_at - tried_at")
        assert (attempts, failure) == (attempt, "IsADirectoryError")
        waits.append(round(wait / timedelta(minutes=1)))
        assert erase_portion(engine, f"file://{store}") == {}
        make_due(engine)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_file_that_waits_for_a_date_of_a_clock_that_was_ahead_is_tried_now_and_counts_as_late(engine, purge, store):
    put(store, "ahead.pdf", "failed.pdf")
    with_documents(engine, "ahead.pdf", "failed.pdf")
    purge()
    waiting = """
        UPDATE doomed_files SET next_try_at = later, created_at = later
          FROM (SELECT now() + CAST(:wait AS interval) AS later) AS clock WHERE storage_key = :key"""
    with engine.begin() as connection:
        connection.execute(text(waiting), {"wait": "59 minutes", "key": "failed.pdf"})
        connection.execute(text(waiting), {"wait": "6 years", "key": "ahead.pdf"})
    (store / "ahead.pdf").unlink()
    (store / "ahead.pdf").mkdir()  # which cannot be erased
    erase_portion(engine, f"file://{store}")
    assert doomed(engine, "storage_key", "attempts", "created_at <= now()") == [
        ("ahead.pdf", 1, True),
        ("failed.pdf", 0, False),
    ]
    (store / "ahead.pdf").rmdir()
    put(store, "ahead.pdf")
    make_due(engine)
    erase_portion(engine, f"file://{store}")
    assert doomed(engine, "storage_key") == []


@pytest.mark.parametrize("place", ["missing", "empty"])
def test_a_store_in_which_nothing_is_found_at_all_is_not_believed(engine, purge, store, place):
    (store.parent / "empty").mkdir()
    with_documents(engine, "a/1.pdf")
    purge()
    assert erase_portion(engine, f"file://{store.parent / place}") == {"StoreEmptyError": 1}
    assert doomed(engine, "attempts") == [1]


def test_files_erased_by_a_worker_that_could_not_say_so_are_found_gone_by_the_next(engine, purge, store):
    put(store, "a/1.pdf", "a/2.pdf")
    with_documents(engine, "a/1.pdf", "a/2.pdf")
    purge()
    before = doomed(engine, "*")
    with engine.begin() as connection:
        connection.execute(text("CREATE RULE refuses AS ON DELETE TO doomed_files DO ALSO SELECT 1 / 0"))
    with pytest.raises(StatementError):
        erase_portion(engine, f"file://{store}")
    assert paths_in(store) == ["another's.pdf"]
    assert doomed(engine, "*") == before
    with engine.begin() as connection:
        connection.execute(text("DROP RULE refuses ON doomed_files"))
    assert erase_portion(engine, f"file://{store}") == {"already_gone": 2}
    assert doomed(engine, "id") == []


def test_a_store_that_does_not_answer_in_time_has_failed_and_the_row_stays(engine, purge, store, monkeypatch):
    monkeypatch.setattr(erase_files, "PATIENCE_SECONDS", 0.2)
    with_documents(engine, *(f"{number}.pdf" for number in range(40)))
    purge()
    try:
        assert erase_portion(engine, f"silent://{store}") == {"TimeoutError": 40}
    finally:
        SilentStore.answers.set()
    assert set(doomed(engine, "attempts", "failure")) == {(1, "TimeoutError")}


def test_erasers_at_work_at_once_share_the_files_and_count_none_twice(engine, purge, store):
    keys = [f"{number}.pdf" for number in range(300)]
    put(store, *keys)
    with_documents(engine, *keys)
    purge()

    def drain(lane):
        counted = Counter()
        for _ in range(100):
            counted += erase_portion(engine, f"file://{store}", lane=lane, most=20)
        return counted

    with ThreadPoolExecutor(4) as pool:
        counted = sum(pool.map(drain, (0, 1, 2, 2)), Counter())
    assert counted == {"erased": len(keys)}
    assert doomed(engine, "id") == []


def test_a_file_that_is_late_is_overdue_for_as_long_as_it_is_there(engine, purge):
    with_documents(engine, "a/1.pdf", "a/2.pdf")
    first = purge()
    with engine.begin() as connection:
        connection.execute(text("UPDATE doomed_files SET created_at = now() - interval '16 minutes' WHERE id = 1"))
        left = files_left(connection)
        assert files_left_of(connection, [first, 99]) == {
            first: {"left": 2, "overdue": 1, "refused": 0},
            99: {"left": 0, "overdue": 0, "refused": 0},
        }
    assert astuple(left)[:4] == (2, 1, 0, 0)
    assert left.oldest_at == min(doomed(engine, "created_at"))


def test_a_person_has_a_refused_file_tried_again_or_settles_it(engine, purge, store):
    with_documents(engine, "../1.pdf", "../2.pdf")
    purge()
    put(store.parent, "1.pdf")
    erase_portion(engine, f"file://{store}")
    assert retry(engine, 1, actor="mori", reason="the URL was too narrow") == [1]
    assert erase_portion(engine, f"file://{store.parent}") == {"dots_or_double_slash": 1}
    assert sorted(retry(engine, None, actor="mori", reason="all")) == [1, 2]
    settle(engine, 2, actor="mori", reason="deleted by hand")
    assert doomed(engine, "storage_key", "actor", "reason") == [
        ("../1.pdf", "mori", "all"),
        (None, "mori", "deleted by hand"),
    ]
    assert [row.id for row in list_files(engine, limit=9)] == [1]
    assert [row.id for row in list_files(engine, settled=True, limit=9)] == [2]
    for ask in (retry, settle):
        with pytest.raises(Refused, match="no file 2 is left"):
            ask(engine, 2, actor="mori", reason="again")
    with engine.connect() as connection:
        assert astuple(files_left(connection))[:4] == (1, 0, 0, 0)
