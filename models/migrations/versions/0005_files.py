"""The files that purges leave in object storage, and documents found by their key."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "doomed_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=True),
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(storage_key IS NULL) = (settled_at IS NOT NULL)", name=op.f("ck_doomed_files_key_until_settled")
        ),
        sa.CheckConstraint(
            "refused_at IS NULL OR failure IS NOT NULL", name=op.f("ck_doomed_files_refused_for_a_reason")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_doomed_files"),
    )
    op.create_index("ix_doomed_files_sweep_id", "doomed_files", ["sweep_id"], unique=False)
    op.create_index(
        "ix_doomed_files_next_try_at_id",
        "doomed_files",
        ["next_try_at", "id"],
        unique=False,
        postgresql_where=sa.text("refused_at IS NULL AND settled_at IS NULL"),
    )
    op.create_index("ix_documents_storage_key", "documents", ["storage_key"], unique=False, postgresql_using="hash")
