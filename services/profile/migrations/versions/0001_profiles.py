"""Profiles, identities and their log, timeline, orders, counts, and the mechanisms' tables."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    create_mechanism_tables(op)
    op.create_table(
        "profiles",
        Column("id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("first_seen", DateTime(timezone=True), nullable=False),
        Column("last_seen", DateTime(timezone=True), nullable=False),
        Column("state", JSONB, nullable=False),
        Column("orders", Integer, nullable=False, server_default=text("0")),
        Column("spend_minor", JSONB, nullable=False, server_default=text("'{}'")),
        Column("first_order_at", DateTime(timezone=True)),
        Column("last_order_at", DateTime(timezone=True)),
    )
    op.create_index("profiles_last_seen_id", "profiles", ["last_seen", "id"])
    op.create_table(
        "identities",
        Column("namespace", Text, primary_key=True),
        Column("value", Text, primary_key=True),
        Column("profile_id", Uuid),
    )
    op.create_index("identities_value", "identities", ["value"], postgresql_ops={"value": "text_pattern_ops"})
    op.create_table(
        "identity_log",
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("kind", Text, nullable=False, comment="create, link, merge, refuse"),
        Column("profile_id", Uuid, nullable=False),
        Column("other_id", Uuid, comment="the merged or refused profile"),
        Column("namespace", Text),
        Column("value", Text),
        Column("event_id", Uuid, nullable=False, comment="the cause"),
        Column("rule_version", SmallInteger, nullable=False),
        Column("reason", Text, nullable=False),
    )
    op.create_index("identity_log_profile_id", "identity_log", ["profile_id", "id"])
    op.create_table(
        "timeline",
        Column("event_id", Uuid, primary_key=True),
        Column("profile_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Column("source_id", Text, nullable=False),
        Column("source_kind", Text, nullable=False),
        Column("historical", Boolean, nullable=False),
        Column("claim", Boolean, nullable=False),
        Column("identities", JSONB, nullable=False),
        Column("body", JSONB, nullable=False),
        Column("cause_id", Uuid),
        Column("depth", SmallInteger, nullable=False),
    )
    op.create_index("timeline_profile_id_occurred_at", "timeline", ["profile_id", "occurred_at", "event_id"])
    op.create_table(
        "orders",
        Column("profile_id", Uuid, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("facts", JSONB, nullable=False),
        Column("counts", Boolean, nullable=False),
        Column("currency", Text),
        Column("net_minor", BigInteger, nullable=False),
        Column("refunded_minor", BigInteger, nullable=False),
        Column("margin_minor", BigInteger),
        Column("placed_at", DateTime(timezone=True)),
    )
    op.create_table(
        "counts",
        Column("profile_id", Uuid, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("times", BigInteger, nullable=False),
    )
    op.create_table(
        "lanes",
        Column("origin", BigInteger, primary_key=True),
        Column("next_sequence", BigInteger, nullable=False),
    )
