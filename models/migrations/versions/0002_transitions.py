"""Transitions that people cause, why a hold was released, addresses compared in one form, guesses counted."""

import sqlalchemy as sa
from alembic import op

from models.errors import InvalidConfiguration

revision = "0002"
down_revision = "0001"


ADDRESS_KEY = r"lower(btrim(normalize(email, NFKC), E' \t\n\x0B\f\r'))"
SAME_ADDRESSES: sa.Select[str] = (
    sa.select(sa.literal_column("string_agg(id::text, ' and ' ORDER BY id)"))
    .select_from(sa.table("accounts"))
    .where(sa.literal_column("email").is_not(None))
    .group_by(sa.literal_column(ADDRESS_KEY))
    .having(sa.func.count() > 1)
    .limit(10)
)


def upgrade() -> None:
    if same := op.get_bind().scalars(SAME_ADDRESSES).all():
        raise InvalidConfiguration(
            f"accounts {', '.join(same)} have the same e-mail address but for case, space or width; "
            "let each have its own, then migrate again"
        )
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
        [sa.literal_column(ADDRESS_KEY)],
        unique=True,
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("guesses")))
    op.create_table(
        "guess_keys",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("key", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_guess_keys_only_one")),
        sa.PrimaryKeyConstraint("single", name="pk_guess_keys"),
    )
    op.execute("INSERT INTO guess_keys DEFAULT VALUES")
