"""The inbox: messages that the company's own app shows."""

from alembic import op
from sqlalchemy import Column, DateTime, Text, Uuid, text

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "inbox_messages",
        Column("id", Uuid, primary_key=True, comment="of the message"),
        Column("profile_id", Uuid, nullable=False),
        Column("subject", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("read_at", DateTime(timezone=True), comment="the first time"),
        Column("dismissed_at", DateTime(timezone=True)),
    )
    op.create_index(
        "inbox_messages_of_customer",
        "inbox_messages",
        ["profile_id", "created_at", "id"],
        postgresql_where=text("dismissed_at IS NULL"),
    )
