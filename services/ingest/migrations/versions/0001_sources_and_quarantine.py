"""Sources, the quarantine and the mechanisms' tables."""

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, LargeBinary, Text, Uuid, text

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    create_mechanism_tables(op)
    op.create_table(
        "sources",
        Column("id", Uuid, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("kind", Text, nullable=False, comment="public or server"),
        Column("key_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the write key"),
        Column(
            "allow_orders",
            Boolean,
            nullable=False,
            server_default=text("false"),
            comment="believe a public key when it speaks of orders",
        ),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("disabled_at", DateTime(timezone=True)),
    )
    op.create_table(
        "quarantine",
        Column("id", Uuid, primary_key=True),
        Column("source_id", Uuid, ForeignKey("sources.id"), nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Column("reason_code", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("message_id", Text),
    )
    op.create_index("quarantine_received_at", "quarantine", ["received_at", "id"])
    op.create_index("quarantine_reason_code", "quarantine", ["reason_code", "received_at", "id"])
