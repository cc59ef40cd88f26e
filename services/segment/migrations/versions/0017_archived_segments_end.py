"""Segments that were archived end: their members are told to have left."""

from alembic import op
from sqlalchemy import Column, DateTime, Uuid

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Adds how far that is; what was archived before has ended."""
    op.add_column("segments", Column("ended_to", Uuid, comment="up to which member it has ended, once archived"))
    op.add_column("segments", Column("ended_at", DateTime(timezone=True), comment="when all had left"))
    op.execute("UPDATE segments SET ended_at = changed_at WHERE state = 'archived'")
