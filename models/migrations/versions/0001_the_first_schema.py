"""The first schema: accounts and all that is theirs, sweeps, and the log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counter_only_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "counter_only_at >= '1900-01-01 00:00+00' AND counter_only_at < '10000-01-01 00:00+00'",
            name=op.f("ck_accounts_counter_only_at_finite"),
        ),
        sa.CheckConstraint("registration IN ('online', 'hellowork')", name=op.f("ck_accounts_registration_known")),
        sa.CheckConstraint("state <> 'active' OR withdrawn_at IS NULL", name=op.f("ck_accounts_active_not_withdrawn")),
        sa.CheckConstraint(
            "state <> 'counter_only' OR (email IS NULL AND password_hash IS NULL)",
            name=op.f("ck_accounts_counter_only_without_credentials"),
        ),
        sa.CheckConstraint(
            "state = 'counter_only' OR counter_only_at IS NULL", name=op.f("ck_accounts_counter_only_at_fits")
        ),
        sa.CheckConstraint("state IN ('active', 'withdrawn', 'counter_only')", name=op.f("ck_accounts_state_known")),
        sa.CheckConstraint(
            "withdrawn_at >= '1900-01-01 00:00+00' AND withdrawn_at < '10000-01-01 00:00+00'",
            name=op.f("ck_accounts_withdrawn_at_finite"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("email", name="uq_accounts_email"),
    )
    op.create_index(
        "ix_accounts_counter_only_latest",
        "accounts",
        [sa.literal_column("greatest(withdrawn_at, counter_only_at)")],
        unique=False,
        postgresql_where=sa.text("state = 'counter_only'"),
    )
    op.create_index(
        "ix_accounts_withdrawn_at_id",
        "accounts",
        ["withdrawn_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'withdrawn'"),
    )
    op.create_table(
        "actions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('counter_only', 'purge')", name=op.f("ck_actions_action_known")),
        sa.CheckConstraint("due_at <= acted_at", name=op.f("ck_actions_not_before_due")),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
    )
    op.create_index("ix_actions_account_id", "actions", ["account_id"], unique=False)
    op.create_index("ix_actions_receipt_id", "actions", ["receipt_id"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_heartbeats"),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("tick", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cutoff", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('done', 'failed')) = (ended_at IS NOT NULL)", name=op.f("ck_sweeps_ended_at_fits")
        ),
        sa.CheckConstraint("policy IN ('counter_only', 'purge')", name=op.f("ck_sweeps_policy_known")),
        sa.CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_sweeps_status_known")),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
        sa.UniqueConstraint("policy", "tick", name="uq_sweeps_policy_tick"),
    )
    op.create_index(
        "ix_sweeps_status", "sweeps", ["status"], unique=False, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "applications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("job_number", sa.Text(), nullable=True),
        sa.Column("statement", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('self', 'referral')", name=op.f("ck_applications_kind_known")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_applications_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
    )
    op.create_index("ix_applications_account_id", "applications", ["account_id"], unique=False)
    op.create_table(
        "documents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("storage_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_documents_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
    )
    op.create_index("ix_documents_account_id", "documents", ["account_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_holds_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_account_id", "holds", ["account_id"], unique=False)
    op.create_index(
        "ix_holds_unreleased", "holds", ["account_id"], unique=False, postgresql_where=sa.text("released_at IS NULL")
    )
    op.create_table(
        "job_seekings",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("invalidated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("desired_occupation", sa.Text(), nullable=True),
        sa.Column("desired_location", sa.Text(), nullable=True),
        sa.Column("self_introduction", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "invalidated_at >= '1900-01-01 00:00+00' AND invalidated_at < '10000-01-01 00:00+00'",
            name=op.f("ck_job_seekings_invalidated_at_finite"),
        ),
        sa.CheckConstraint(
            "status = 'invalid' OR invalidated_at IS NULL", name=op.f("ck_job_seekings_valid_not_invalidated")
        ),
        sa.CheckConstraint("status IN ('valid', 'invalid')", name=op.f("ck_job_seekings_status_known")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_job_seekings_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_job_seekings"),
    )
    op.create_index(
        "ix_job_seekings_invalidated_at_account_id",
        "job_seekings",
        ["invalidated_at", "account_id"],
        unique=False,
        postgresql_where=sa.text("status = 'invalid'"),
    )
    op.create_table(
        "login_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_login_sessions_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_login_sessions"),
    )
    op.create_index("ix_login_sessions_account_id", "login_sessions", ["account_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_messages_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.create_index("ix_messages_account_id", "messages", ["account_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.Column("rows", JSONB(), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("action IN ('counter_only', 'purge')", name=op.f("ck_receipts_action_known")),
        sa.CheckConstraint("accounts > 0", name=op.f("ck_receipts_accounts_positive")),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_receipts_sweep_id"),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
    )
    op.create_index("ix_receipts_sweep_id", "receipts", ["sweep_id"], unique=False)
    op.create_table(
        "saved_jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("job_number", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_saved_jobs_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_jobs"),
    )
    op.create_index("ix_saved_jobs_account_id", "saved_jobs", ["account_id"], unique=False)
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("conditions", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_saved_searches_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_searches"),
    )
    op.create_index("ix_saved_searches_account_id", "saved_searches", ["account_id"], unique=False)
    op.create_table(
        "message_attachments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_message_attachments_message_id"),
        sa.PrimaryKeyConstraint("id", name="pk_message_attachments"),
    )
    op.create_index("ix_message_attachments_message_id", "message_attachments", ["message_id"], unique=False)
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of % refused: the log is only ever appended to', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
    """)
    for table in ("receipts", "actions"):
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)
    op.execute("""
        CREATE FUNCTION refuse_reopening() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'hold % is released for good: place a new one', OLD.id USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER stay_released BEFORE UPDATE ON holds FOR EACH ROW
        WHEN (OLD.released_at IS NOT NULL AND NEW.released_at IS NULL) EXECUTE FUNCTION refuse_reopening()
    """)
