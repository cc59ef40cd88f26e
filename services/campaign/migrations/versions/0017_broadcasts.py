"""Broadcasts, and whom each goes to."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Adds two tables, empty, and an index of what waits."""
    op.create_table(
        "broadcasts",
        Column("id", Text, primary_key=True),
        Column("revision", Integer, nullable=False, comment="counts the edits and changes of state"),
        Column("definition", JSONB, nullable=False),
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False, server_default=text("''"), comment="why it stands there"),
        Column("trigger_id", Uuid, nullable=False, comment="what its messages name as their cause"),
        Column("starts_at", DateTime(timezone=True)),
        Column("started_at", DateTime(timezone=True)),
        Column("ended_at", DateTime(timezone=True)),
        Column("segment_version", Integer, comment="by which the audience was drawn"),
        Column("audience", BigInteger, comment="how many it goes to, fixed at its start"),
        Column("done_to", BigInteger, nullable=False, server_default=text("0"), comment="the last place made ready"),
        Column("made_at", DateTime(timezone=True), comment="when messages were made ready last"),
        Column("looked_at", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
        Column("updated_by", Text, nullable=False),
    )
    op.create_index("broadcasts_created_at", "broadcasts", ["created_at", "id"])
    op.create_table(
        "broadcast_audience",
        Column("broadcast_id", Text, primary_key=True),
        Column("place", BigInteger, primary_key=True, autoincrement=False),
        Column("profile_id", Uuid, nullable=False),
    )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_of_broadcast_waiting")
        op.create_index(
            "messages_of_broadcast_waiting",
            "messages",
            ["journey_id"],
            postgresql_where=text("kind = 'broadcast' AND state IN ('pending', 'sending')"),
            postgresql_concurrently=True,
        )
