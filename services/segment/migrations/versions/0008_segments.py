"""Segments: what is known of customers, their histories, definitions, memberships, tags and lists."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"

MOMENT = DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables. What customers did before is read from profile's timeline: `segment history fill`."""
    op.create_table(
        "customers",
        Column("profile_id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("zone", Text, nullable=False, server_default=text("'UTC'")),
        Column("language", Text, nullable=False, server_default=text("''")),
        Column("traits", JSONB, nullable=False, server_default=text("'{}'")),
        Column("dates", JSONB, nullable=False, server_default=text("'{}'")),
        Column("identities", JSONB, nullable=False, server_default=text("'{}'")),
        Column("consents", JSONB, nullable=False, server_default=text("'{}'")),
        Column("orders", Integer, nullable=False, server_default=text("0")),
        Column("spend_minor", JSONB, nullable=False, server_default=text("'{}'")),
        Column("first_seen", MOMENT),
        Column("last_seen", MOMENT),
        Column("first_order_at", MOMENT),
        Column("last_order_at", MOMENT),
    )
    op.create_table(
        "history",
        Column("profile_id", Uuid, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("at", MOMENT, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("properties", JSONB, nullable=False, server_default=text("'{}'")),
    )
    op.create_index("history_name_at", "history", ["name", "at"])
    op.create_table(
        "occurrences",
        Column("profile_id", Uuid, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("times", BigInteger, nullable=False),
        Column("kept", Integer, nullable=False, server_default=text("0")),
        Column("first_at", MOMENT, nullable=False),
        Column("last_at", MOMENT, nullable=False),
    )
    _definitions()
    _belongings()


def _definitions() -> None:
    op.create_table(
        "segments",
        Column("id", Text, primary_key=True),
        Column("revision", Integer, nullable=False, server_default=text("1")),
        Column("state", Text, nullable=False, comment="draft, live or archived"),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False, server_default=text("''")),
        Column("draft", JSONB, nullable=False),
        Column("live_version", Integer, comment="the version in force"),
        Column("author", Text, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("changed_at", MOMENT, nullable=False),
    )
    op.create_table(
        "segment_versions",
        Column("segment_id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("name", Text, nullable=False),
        Column("condition", JSONB, nullable=False),
        Column("author", Text, nullable=False),
        Column("effective_at", MOMENT, nullable=False),
        Column("backfilled_to", Uuid, comment="the last customer who was looked at"),
        Column("backfilled_at", MOMENT, comment="when all had been"),
        Column("looked_at", BigInteger, nullable=False, server_default=text("0")),
    )
    op.create_table(
        "definitions_revision",
        Column("one", Boolean, primary_key=True, server_default=text("true")),
        Column("revision", Uuid, nullable=False),
    )
    op.execute("INSERT INTO definitions_revision (revision) VALUES (gen_random_uuid())")
    op.create_table(
        "memberships",
        Column("profile_id", Uuid, primary_key=True),
        Column("segment_id", Text, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("member", Boolean, nullable=False),
        Column("since", MOMENT, nullable=False),
        Column("due_at", MOMENT),
    )
    op.create_table(
        "customer_segments",
        Column("profile_id", Uuid, primary_key=True),
        Column("known", LargeBinary, nullable=False, comment="the customer's memberships, packed"),
    )
    op.create_index("memberships_members", "memberships", ["segment_id", "profile_id"], postgresql_where=text("member"))
    op.create_index("memberships_due_at", "memberships", ["due_at"], postgresql_where=text("due_at IS NOT NULL"))


def _belongings() -> None:
    op.create_table(
        "tags",
        Column("name", Text, primary_key=True),
        Column("kind", Text, nullable=False, comment="manual, imported, rule or journey"),
        Column("owner", Text, nullable=False, server_default=text("''")),
        Column("description", Text, nullable=False, server_default=text("''")),
        Column("segment_id", Text, comment="of a rule: the segment whose members have it"),
        Column("revision", Integer, nullable=False, server_default=text("1")),
        Column("changed_at", MOMENT, nullable=False),
    )
    op.create_table(
        "customer_tags",
        Column("profile_id", Uuid, primary_key=True),
        Column("tag", Text, primary_key=True),
        Column("set", Boolean, nullable=False),
        Column("expires_at", MOMENT),
        Column("stamp", JSONB, nullable=False, comment="of the statement that counts"),
    )
    op.create_index("customer_tags_tag", "customer_tags", ["tag", "profile_id"], postgresql_where=text("set"))
    op.create_table(
        "lists",
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False, server_default=text("''")),
        Column("revision", Integer, nullable=False, server_default=text("1")),
        Column("changed_at", MOMENT, nullable=False),
    )
    op.create_table(
        "list_members",
        Column("profile_id", Uuid, primary_key=True),
        Column("list_id", Text, primary_key=True),
        Column("member", Boolean, nullable=False),
        Column("expires_at", MOMENT),
        Column("stamp", JSONB, nullable=False, comment="of the statement that counts"),
    )
    op.create_index("list_members_list", "list_members", ["list_id", "profile_id"], postgresql_where=text("member"))
