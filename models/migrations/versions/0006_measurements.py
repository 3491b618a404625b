"""What is asked often and takes long to count; the days of actions as the receipts so far add them up."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "measurements",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", JSONB(), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_measurements_only_one")),
        sa.PrimaryKeyConstraint("single", name="pk_measurements"),
    )
    op.create_table(
        "batch_durations",
        sa.Column("up_to_seconds", sa.Double(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("up_to_seconds", name="pk_batch_durations"),
    )
    op.create_table(
        "days_of_actions",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('counter_only', 'purge')", name=op.f("ck_days_of_actions_action_known")),
        sa.PrimaryKeyConstraint("day", "action", name="pk_days_of_actions"),
    )
    _add_up()


def _add_up() -> None:
    """Add up the receipts there are; a batch of an older worker, which would not be counted, waits and then fails."""
    op.execute("LOCK TABLE receipts IN SHARE MODE")
    add_up = sa.text("""
        INSERT INTO days_of_actions (day, action, accounts, batches)
        SELECT date(acted_at AT TIME ZONE :zone), action, sum(accounts), count(*) FROM receipts GROUP BY 1, 2
    """)
    op.execute(add_up.bindparams(zone=context.config.attributes["timezone"]))
