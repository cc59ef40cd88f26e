"""Templates are objects with drafts and versions; single messages have properties; what was sent is kept a while."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    """Adds tables, and a column that may be empty."""
    op.add_column("messages", Column("properties", JSONB, comment="of a single message: what its template may use"))
    op.create_table(
        "templates",
        Column("id", Text, primary_key=True),
        Column("revision", Integer, nullable=False, comment="counts the edits"),
        Column("document", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
        Column("updated_by", Text, nullable=False),
    )
    op.create_table(
        "template_versions",
        Column("id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("document", JSONB, nullable=False),
        Column("digest", Text, nullable=False, comment="of the document: SHA-256, in hexadecimal digits"),
        Column("published_at", DateTime(timezone=True), nullable=False),
        Column("published_by", Text, nullable=False, comment="empty: came with the service"),
    )
    op.create_table(
        "sent_copies",
        Column("message_id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("template", Text, nullable=False),
        Column("template_version", Integer, nullable=False),
        Column("subject", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("html", Text, nullable=False),
    )
    op.create_index("sent_copies_expires_at", "sent_copies", ["expires_at"])
    op.create_table(
        "preference_changes",
        Column("link", Uuid, primary_key=True, comment="the message whose link it was"),
        Column("day", DateTime(timezone=True), primary_key=True),
        Column("changes", Integer, nullable=False),
    )
