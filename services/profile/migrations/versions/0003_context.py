"""The circumstances of each event, and when its sender said that it happened."""

from alembic import op
from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds columns that rows of before leave empty; PostgreSQL rewrites nothing for them."""
    op.add_column(
        "timeline",
        Column("stated_at", DateTime(timezone=True), comment="as its sender's clock said, before any correction"),
    )
    op.add_column("timeline", Column("context", JSONB, comment="as in shared.contracts.context"))
