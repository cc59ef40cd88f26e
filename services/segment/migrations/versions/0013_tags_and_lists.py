"""Tags and lists: who defined them, how far a rule was followed, which ids of lists are spent."""

from alembic import op
from sqlalchemy import Column, DateTime, Text, Uuid, text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Adds columns that the release before neither reads nor has to write."""
    op.add_column("tags", Column("author", Text, nullable=False, server_default=text("''")))
    op.add_column("tags", Column("backfilled_to", Uuid, comment="of a rule: the last customer who was looked at"))
    op.add_column(
        "tags",
        Column("backfilled_at", DateTime(timezone=True), comment="of a rule: when all whom it concerns had been"),
    )
    op.add_column("lists", Column("author", Text, nullable=False, server_default=text("''")))
    op.add_column("lists", Column("deleted_at", DateTime(timezone=True), comment="its id is not given again"))
