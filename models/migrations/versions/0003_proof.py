"""The chain of receipts, into which what the log holds already is taken up; progress counted on the sweep."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from models.proof import GENESIS, action_digest, chained, merkle_root, receipt_body

revision = "0003"
down_revision = "0002"

LOG = ("actions", "receipts")
PORTION = 10_000


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("accounts", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("sweeps", sa.Column("batches", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "sweeps",
        sa.Column("heard_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.execute("""
        UPDATE sweeps SET accounts = done.accounts, batches = done.batches
          FROM (SELECT sweep_id, sum(accounts) AS accounts, count(*) AS batches FROM receipts GROUP BY sweep_id) AS done
         WHERE sweep_id = sweeps.id
    """)
    op.add_column("actions", sa.Column("digest", sa.LargeBinary(), nullable=True))
    op.add_column("receipts", sa.Column("number", sa.BigInteger(), nullable=True))
    for name in ("root", "replays", "previous", "digest"):
        op.add_column("receipts", sa.Column(name, sa.LargeBinary(), nullable=True))
    op.create_table(
        "chain_heads",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("actions", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_chain_heads_only_one")),
        sa.PrimaryKeyConstraint("single", name="pk_chain_heads"),
    )
    for table in LOG:
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    _chain_what_is_there(op.get_bind())
    for table in LOG:
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")
    op.alter_column("actions", "digest", nullable=False)
    for name in ("number", "root", "previous", "digest"):
        op.alter_column("receipts", name, nullable=False)
    op.create_unique_constraint("uq_receipts_number", "receipts", ["number"])
    op.create_index("ix_receipts_digest", "receipts", ["digest"])
    op.create_index("ix_receipts_replays", "receipts", ["replays"])
    op.create_check_constraint(op.f("ck_receipts_digest_whole"), "receipts", "octet_length(digest) = 32")


def _chain_what_is_there(connection: sa.Connection) -> None:
    """Give what was logged before there was a chain its place in it, receipt by receipt."""
    before, digest, actions = GENESIS, GENESIS, 0
    number = last = 0
    while portion := connection.execute(sa.text(ACTIONS), {"last": last, "most": PORTION}).mappings().all():
        for last, lines in groupby(portion, key=lambda line: line["receipt_id"]):
            leaves = {line["id"]: action_digest(dict(line)) for line in lines}
            connection.execute(sa.text(SET_ACTION), [{"id": id_, "digest": leaf} for id_, leaf in leaves.items()])
            number, actions, before = number + 1, actions + len(leaves), digest
            root = merkle_root(list(leaves.values()))
            receipt = connection.execute(sa.text(RECEIPT), {"id": last}).mappings().one()
            digest = chained(before, number, receipt_body({**receipt, "root": root, "replays": None}))
            links = {"id": last, "number": number, "root": root, "previous": before, "digest": digest}
            connection.execute(sa.text(SET_RECEIPT), links)
    head = {"number": number, "actions": actions, "previous": before, "digest": digest}
    connection.execute(sa.text(SET_HEAD), head)


# Whole receipts: as many as begin in the next portion of actions.
ACTIONS = """
SELECT id, action, account_id, event_at, due_at, acted_at, sweep_id, receipt_id FROM actions
 WHERE receipt_id > :last AND receipt_id <= (
       SELECT max(receipt_id) FROM (
              SELECT receipt_id FROM actions WHERE receipt_id > :last ORDER BY receipt_id LIMIT :most) AS next)
 ORDER BY receipt_id, id
"""
RECEIPT = "SELECT id, sweep_id, action, accounts, rows, acted_at FROM receipts WHERE id = :id"
SET_ACTION = "UPDATE actions SET digest = :digest WHERE id = :id"
SET_RECEIPT = (
    "UPDATE receipts SET number = :number, root = :root, previous = :previous, digest = :digest WHERE id = :id"
)
SET_HEAD = "INSERT INTO chain_heads (number, actions, previous, digest) VALUES (:number, :actions, :previous, :digest)"
