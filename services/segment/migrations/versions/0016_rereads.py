"""Customers who were split, and are read anew."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Text, Uuid, text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "rereads",
        Column("profile_id", Uuid, primary_key=True),
        Column("split_id", Uuid, nullable=False),
        Column("split_at", DateTime(timezone=True), nullable=False),
        Column("asked_at", DateTime(timezone=True), nullable=False),
        Column("ends", Text, nullable=False, server_default=text("''")),
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("held_until", DateTime(timezone=True)),
    )
