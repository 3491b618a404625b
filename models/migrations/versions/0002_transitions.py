"""Transitions that people cause, why a hold was released, and addresses compared in one form."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("office", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('register', 'withdraw', 'reactivate', 'recover', 'invalidate', 'revalidate')",
            name=op.f("ck_transitions_kind_known"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_transitions_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    )
    op.create_index("ix_transitions_account_id", "transitions", ["account_id"], unique=False)
    op.add_column("holds", sa.Column("release_reason", sa.Text(), nullable=True))
    op.create_index(
        "uq_accounts_address",
        "accounts",
        [sa.literal_column(r"lower(btrim(normalize(email, NFKC), E' \t\n\x0B\f\r'))")],
        unique=True,
    )
