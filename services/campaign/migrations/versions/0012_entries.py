"""Which orders have let their customers into which journeys."""

from alembic import op
from sqlalchemy import Column, DateTime, Text, Uuid

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Adds a table, empty: an order of before could let its customer in once more, while it is not too old."""
    op.create_table(
        "entries",
        Column("journey_id", Text, primary_key=True),
        Column("profile_id", Uuid, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("trigger_id", Uuid, nullable=False, comment="the id of the change"),
        Column("entered_at", DateTime(timezone=True), nullable=False),
    )
