"""A plan is written down in portions: a held sweep knows how far it has come."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("planned_to_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("sweeps", sa.Column("planned_to", sa.BigInteger))
