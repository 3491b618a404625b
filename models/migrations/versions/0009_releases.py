"""A release that is written down for later is none yet, and is as little put off as one that is over."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Few are unreleased or yet to be, among all that ever were.
    op.create_index("ix_holds_released_at", "holds", ["released_at"])
    op.execute("DROP TRIGGER stay_released ON holds")
    op.execute("""
        CREATE TRIGGER stay_released BEFORE UPDATE ON holds FOR EACH ROW
        WHEN (OLD.released_at IS NOT NULL
              AND (NEW.released_at IS NULL OR NEW.released_at > OLD.released_at AND NEW.released_at > now()))
        EXECUTE FUNCTION refuse_reopening()
    """)
