"""What is asked about the files of purged accounts: by erasers, and by people."""

from collections import Counter

from filled import Filled
from sqlalchemy import text
from sweeping import purgeable

from models import PolicyName
from tasks import files
from tasks.erase_files import erase_portion

__all__ = ["SCENARIOS"]

SAYS = {"actor": "mori", "reason": "r"}
# One is gone, one is another account's as well, one would lead out of the store.
KEYS = ("documents/gone.pdf", "documents/1/0.pdf", "../outside.pdf")
DOCUMENT = text("INSERT INTO documents (account_id, storage_key) VALUES (:id, :key)")


def files_are_erased(filled: Filled) -> None:
    """Purge an account with documents; erase their files."""
    with filled.here.engine.begin() as connection:
        account_id = purgeable(connection)
        for key in KEYS:
            connection.execute(DOCUMENT, {"id": account_id, "key": key})
        connection.execute(DOCUMENT, {"id": 1, "key": KEYS[1]})
    assert filled.hand.carry_out(filled.hand.request(PolicyName.PURGE)).status == "done"
    (filled.directory / "another's.pdf").touch()  # a store without any file is taken for the wrong one
    outcomes: Counter[str] = Counter()
    while portion := erase_portion(filled.here.engine, f"file://{filled.directory}", most=20):
        outcomes += portion
    assert outcomes.keys() > {"already_gone", "in_use"}, outcomes
    assert files.list_files(filled.here.engine, refused=True, limit=10)


def files_are_looked_at_and_seen_to(filled: Filled) -> None:
    """List them, try one again, then all, settle one."""
    engine = filled.here.engine
    (refused,) = files.list_files(engine, refused=True, limit=10)
    assert len(files.list_files(engine, limit=10)) == len(files.list_files(engine, settled=True, limit=10)) == 10
    assert files.retry(engine, refused.id, **SAYS) == [refused.id]
    files.settle(engine, refused.id, **SAYS)
    files.retry(engine, None, **SAYS)


SCENARIOS = (files_are_erased, files_are_looked_at_and_seen_to)
