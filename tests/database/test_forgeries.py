"""Forgeries that share their canonical text with the truth, or stand where nobody looks, are found all the same."""

import json

import pytest
from logs import a_log, unguarded

from models.errors import Unverified
from tasks.certify import certify
from tasks.rules.certificate import Certificate
from tasks.verify import verify_within

NUMBERLESS = """
WITH forged AS (
    INSERT INTO receipts (sweep_id, action, accounts, rows, acted_at, root, previous, digest)
    SELECT sweep_id, action, 1, rows, acted_at, root, previous, digest FROM receipts WHERE number = 1 RETURNING id)
INSERT INTO actions (action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id, digest)
SELECT a.action, 4711, event_at, due_at, acted_at, sweep_id, forged.id, digest FROM actions AS a, forged LIMIT 1
"""
SECOND_HEAD = "INSERT INTO chain_heads SELECT false, number + 1, actions, previous, digest FROM chain_heads"


@pytest.mark.parametrize(
    "forgery",
    [
        ["UPDATE receipts SET replays = '' WHERE number = 1"],
        ["ALTER TABLE receipts ALTER number DROP NOT NULL", NUMBERLESS],
        ["ALTER TABLE receipts ALTER number DROP NOT NULL", NUMBERLESS, "DELETE FROM actions WHERE account_id = 4711"],
        ["ALTER TABLE chain_heads DROP CONSTRAINT ck_chain_heads_only_one", SECOND_HEAD],
    ],
    ids=["an empty replays", "an action under no number", "a receipt without a number", "a second head"],
)
def test_a_forgery_that_adds_nothing_to_the_chain_is_found(engine, policies, forgery):
    a_log(engine, policies, 5)
    with engine.connect() as connection, connection.begin() as undone:
        assert verify_within(connection).broken is None
        unguarded(connection, *forgery)
        found = verify_within(connection).broken
        undone.rollback()
    assert found is not None


def test_a_certificate_has_one_spelling_of_nought(engine, policies):
    a_log(engine, policies, 1)
    with engine.connect() as connection:
        action_id = connection.exec_driver_sql("SELECT id FROM actions").scalar_one()
    text = json.dumps(certify(engine, action_id).as_json())
    rows = text.replace('"rows": {', '"rows": {"none": 0, ')  # whatever tables there are, one count is nought
    Certificate.read(rows.encode())
    with pytest.raises(Unverified, match="no certificate"):
        Certificate.read(rows.replace('"none": 0', '"none":-0').encode())
