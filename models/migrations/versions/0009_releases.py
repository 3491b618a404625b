"""A release that is written down for later is none yet, and is as little put off as one that is over."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Few are unreleased or yet to be, among all that ever were.
    op.create_index("ix_holds_released_at", "holds", ["released_at"])
    fires = op.get_bind().scalar(sa.text(FIRES))
    op.execute("DROP TRIGGER stay_released ON holds")
    op.execute("""
        CREATE TRIGGER stay_released BEFORE UPDATE ON holds FOR EACH ROW
        WHEN (OLD.released_at IS NOT NULL
              AND (NEW.released_at IS NULL OR NEW.released_at > OLD.released_at AND NEW.released_at > now()))
        EXECUTE FUNCTION refuse_reopening()
    """)
    # As the one before, which an operator may have told to fire for what is replicated, too.
    op.execute(f"ALTER TABLE holds {fires} TRIGGER stay_released")


FIRES = """
SELECT CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
  FROM pg_trigger WHERE tgrelid = 'holds'::regclass AND tgname = 'stay_released'
"""
