"""Days of customers' lives that set journeys off."""

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, Integer, Text, Uuid, text

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Adds two tables, empty: no journey of before asks for a day."""
    op.create_table(
        "date_entries",
        Column("journey_id", Text, primary_key=True),
        Column("profile_id", Uuid, primary_key=True),
        Column("kind", Text, primary_key=True, comment="of the dated fact"),
        Column("label", Text, primary_key=True),
        Column("due_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("date_entries_due", "date_entries", ["due_at"])
    op.create_index("date_entries_of_customer", "date_entries", ["profile_id"])
    op.create_table(
        "date_backfills",
        Column("journey_id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("looked_at_to", Uuid, comment="the last customer"),
        Column("done", Boolean, nullable=False, server_default=text("false")),
    )
