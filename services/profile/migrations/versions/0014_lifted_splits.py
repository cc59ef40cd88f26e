"""Splits that were lifted: a kind of line more in the identity log."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Says so in the column's comment."""
    op.alter_column("identity_log", "kind", comment="create, link, alias, merge, refuse, split, lift")
    op.alter_column("identity_log", "event_id", comment="the cause; of a split, and of its lifting, the split's id")
