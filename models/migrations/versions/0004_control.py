"""Gates: held and rejected sweeps, frozen plans, pauses, decisions, forecasts, quarantine."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

POLICY_KNOWN = "policy IN ('counter_only', 'purge')"


def upgrade() -> None:
    for column in (
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("allowed", sa.BigInteger(), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_for", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("planned", sa.BigInteger(), nullable=True),
        sa.Column("planned_digest", sa.LargeBinary(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canary_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reconciled_to", sa.BigInteger(), nullable=True),
    ):
        op.add_column("sweeps", column)
    for name, condition in (
        ("status_known", "status IN ('queued', 'held', 'running', 'done', 'failed', 'rejected')"),
        ("ended_at_fits", "(status IN ('done', 'failed', 'rejected')) = (ended_at IS NOT NULL)"),
    ):
        op.drop_constraint(op.f(f"ck_sweeps_{name}"), "sweeps")
        op.create_check_constraint(op.f(f"ck_sweeps_{name}"), "sweeps", condition)
    op.create_check_constraint(op.f("ck_sweeps_held_at_fits"), "sweeps", "(status = 'held') = (held_at IS NOT NULL)")
    op.create_table(
        "pauses",
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(POLICY_KNOWN, name=op.f("ck_pauses_policy_known")),
        sa.PrimaryKeyConstraint("policy", name="pk_pauses"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("sweep_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_decisions_sweep_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_sweep_id", "decisions", ["sweep_id"])
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    op.create_table(
        "planned_accounts",
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_planned_accounts_sweep_id"),
        sa.PrimaryKeyConstraint("sweep_id", "account_id", name="pk_planned_accounts"),
    )
    op.create_table(
        "forecasts",
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "day", "made_on", name="pk_forecasts"),
    )
    op.create_table(
        "quarantine",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(POLICY_KNOWN, name=op.f("ck_quarantine_policy_known")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_quarantine_account_id"),
        sa.PrimaryKeyConstraint("account_id", "policy", name="pk_quarantine"),
    )
