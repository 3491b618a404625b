"""Attachments may name the account they are of; where tables are partitioned by it, they have to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("message_attachments", sa.Column("account_id", sa.BigInteger(), nullable=True))
