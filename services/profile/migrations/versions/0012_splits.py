"""Splits: the lines that undo a merge, and those that give an identity to who was separated."""

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Creates indexes of lines of which there are few."""
    op.create_index("identity_log_splits", "identity_log", ["other_id"], postgresql_where=text("kind = 'split'"))
    op.create_index(
        "identity_log_split_ids", "identity_log", ["event_id"], unique=True, postgresql_where=text("kind = 'split'")
    )
    op.create_index(
        "identity_log_moved",
        "identity_log",
        ["namespace", "value", "id"],
        postgresql_where=text("reason = 'a split moved it'"),
    )
    op.alter_column("identity_log", "kind", comment="create, link, alias, merge, refuse, split")
    op.alter_column("identity_log", "other_id", comment="the merged, refused or separated profile")
    op.alter_column("identity_log", "event_id", comment="the cause; of a split its own id")
