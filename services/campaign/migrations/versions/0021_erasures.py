"""Erasures: who was erased, for ever."""

from alembic import op
from sqlalchemy import Column, DateTime, Uuid

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "erasures",
        Column("profile_id", Uuid, primary_key=True),
        Column("erased_at", DateTime(timezone=True), nullable=False),
    )
