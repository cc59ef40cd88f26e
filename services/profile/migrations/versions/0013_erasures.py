"""Erasures: who was erased, and which events were theirs, so that a repeat of one makes nobody anew."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Uuid

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Creates two tables."""
    op.create_table(
        "erasures",
        Column("profile_id", Uuid, primary_key=True, comment="each id that the customer had"),
        Column("canonical_id", Uuid, nullable=False, comment="the one that stood for all of them"),
        Column("erased_at", DateTime(timezone=True), nullable=False),
        Column("events", Integer, nullable=False, comment="of the customer, deleted"),
    )
    op.create_table("erased_events", Column("event_id", Uuid, primary_key=True))
