"""Responses, cases and the mechanisms' tables."""

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    create_mechanism_tables(op)
    op.create_table(
        "responses",
        Column("id", Uuid, primary_key=True),
        Column("survey", Text, nullable=False),
        Column("rating", SmallInteger, nullable=False),
        Column("text", Text, nullable=False),
        Column("order_id", Text),
        Column("identities", JSONB, nullable=False, comment="who said so, until the profile is known"),
        Column("profile_id", Uuid),
        Column("published_here", Boolean, nullable=False, comment="False for answers that arrived by ingest"),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("responses_survey_occurred_at", "responses", ["survey", "occurred_at"])
    op.create_index("responses_profile_id", "responses", ["profile_id"])
    op.create_table(
        "cases",
        Column("id", Uuid, ForeignKey("responses.id"), primary_key=True),
        Column("status", Text, nullable=False, server_default=text("'open'")),
        Column("reason", Text, nullable=False),
        Column("opened_at", DateTime(timezone=True), nullable=False),
        Column("closed_at", DateTime(timezone=True)),
        Column("closed_by", Text),
        Column("note", Text, nullable=False, server_default=text("''")),
    )
    op.create_index("cases_status_opened_at", "cases", ["status", "opened_at", "id"])
