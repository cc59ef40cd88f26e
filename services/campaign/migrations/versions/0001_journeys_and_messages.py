"""Contacts, journeys, messages, decisions and the mechanisms' tables."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables. Journeys are published by the service at its start."""
    create_mechanism_tables(op)
    op.create_table(
        "contacts",
        Column("profile_id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("email", Text),
        Column("first_name", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("language", Text, nullable=False),
        Column("country", Text, nullable=False),
        Column("consent", JSONB, nullable=False),
        Column("orders", Integer, nullable=False),
        Column("spend_minor", JSONB, nullable=False),
    )
    op.create_table(
        "standings",
        Column("profile_id", Uuid, primary_key=True),
        Column("kind", Text, primary_key=True, comment="tier or stage"),
        Column("version", BigInteger, nullable=False),
        Column("value", Text, nullable=False),
    )
    op.create_table(
        "journeys",
        Column("id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("definition", JSONB, nullable=False),
        Column("active", Boolean, nullable=False, server_default=text("true")),
    )
    _create_messages()
    op.create_table(
        "decisions",
        Column("id", Uuid, primary_key=True),
        Column("profile_id", Uuid, nullable=False),
        Column("journey_id", Text, nullable=False),
        Column("journey_version", Integer, nullable=False),
        Column("trigger_id", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("cause_occurred_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("decisions_profile_id_at", "decisions", ["profile_id", "at"])
    op.create_table(
        "send_stop",
        Column("single", Boolean, primary_key=True, server_default=text("true")),
        Column("stopped_at", DateTime(timezone=True), nullable=False),
        Column("stopped_by", Text, nullable=False),
        CheckConstraint("single", name="send_stop_single_row"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        Column("id", Uuid, primary_key=True),
        Column("journey_id", Text, nullable=False),
        Column("journey_version", Integer, nullable=False),
        Column("profile_id", Uuid, nullable=False),
        Column("trigger_id", Text, nullable=False),
        Column("reached", Text, nullable=False, comment="the tier or stage that set it off"),
        Column("state", Text, nullable=False, server_default=text("'pending'")),
        Column("subject", Text),
        Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("sending_since", DateTime(timezone=True)),
        Column("handed_at", DateTime(timezone=True)),
        Column("cause_occurred_at", DateTime(timezone=True), nullable=False),
        Column("cause_received_at", DateTime(timezone=True), nullable=False),
        Column("by_time", Boolean, nullable=False, comment="no event caused it: a due time passed"),
        Column("depth", SmallInteger, nullable=False, comment="of the trigger"),
        Column("traceparent", Text),
        UniqueConstraint("journey_id", "profile_id", "trigger_id", name="messages_one_per_trigger"),
    )
    op.create_index("messages_due", "messages", ["due_at"], postgresql_where=text("state = 'pending'"))
    op.create_index("messages_sending", "messages", ["sending_since"], postgresql_where=text("state = 'sending'"))
    op.create_index("messages_profile_id", "messages", ["profile_id"])
    op.create_index("messages_created_at", "messages", ["created_at", "id"])
