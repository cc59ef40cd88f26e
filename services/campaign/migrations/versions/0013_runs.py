"""Journeys are graphs that customers walk: versions, drafts, runs and their steps; memberships of segments.

A message that was triggered before has an entry from now on, so that what triggered it lets nobody in again. The index
that makes a message one of its visit is built beside the running service; the constraint before it goes once it stands.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Adds tables and columns, and takes over the definitions and triggers that there are."""
    op.add_column("contacts", Column("phone", Text))
    op.add_column(
        "contacts",
        Column("time_zone", Text, nullable=False, server_default=text("''"), comment="IANA name; empty if not known"),
    )
    op.add_column(
        "contacts", Column("facts", JSONB, nullable=False, server_default=text("'[]'"), comment="dated facts")
    )
    op.add_column(
        "messages",
        Column(
            "kind",
            Text,
            nullable=False,
            server_default=text("'journey'"),
            comment="what sends it: a journey, a broadcast, or a single request",
        ),
    )
    op.add_column("messages", Column("definition", JSONB, comment="of a single message, its own"))
    op.add_column("messages", Column("run_id", Uuid, comment="of the journey; None of before there were runs"))
    op.add_column(
        "messages", Column("step", Text, nullable=False, server_default=text("''"), comment="the node that sends it")
    )
    op.add_column(
        "messages", Column("visit", Integer, nullable=False, server_default=text("0"), comment="of that node")
    )
    op.create_table(
        "memberships",
        Column("segment_id", Text, primary_key=True),
        Column("profile_id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("segment_version", Integer, nullable=False),
        Column("member", Boolean, nullable=False),
    )
    op.create_index("memberships_of_customer", "memberships", ["profile_id"])
    _create_journeys()
    _create_runs()
    op.execute(
        """
        INSERT INTO entries (journey_id, profile_id, order_id, trigger_id, entered_at)
        SELECT journey_id, profile_id, trigger_id, CAST(trigger_id AS uuid), created_at
          FROM messages
            ON CONFLICT DO NOTHING
        """
    )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_one_per_visit")
        op.create_index(
            "messages_one_per_visit",
            "messages",
            ["journey_id", "profile_id", "trigger_id", "step", "visit"],
            unique=True,
            postgresql_concurrently=True,
        )
        op.drop_constraint("messages_one_per_trigger", "messages", type_="unique")


def _create_journeys() -> None:
    op.create_table(
        "journey_versions",
        Column("id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("definition", JSONB, nullable=False),
        Column("active", Boolean, nullable=False, server_default=text("true")),
        Column("published_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("published_by", Text, nullable=False, server_default=text("''"), comment="empty: came with the service"),
    )
    op.execute(
        "INSERT INTO journey_versions (id, version, definition, active) "
        "SELECT id, version, definition, active FROM journeys"
    )
    op.create_table(
        "journey_drafts",
        Column("id", Text, primary_key=True),
        Column("revision", Integer, nullable=False, comment="counts the edits"),
        Column("definition", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
        Column("updated_by", Text, nullable=False),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        Column("id", Uuid, primary_key=True),
        Column("journey_id", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("profile_id", Uuid, nullable=False, comment="the customer; of a merged one the survivor"),
        Column("entry_key", Text, nullable=False),
        Column("trigger_id", Text, nullable=False, comment="of what let the customer in"),
        Column("triggered_at", DateTime(timezone=True), nullable=False, comment="when that happened"),
        Column("entered_at", DateTime(timezone=True), nullable=False),
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False, server_default=text("''")),
        Column("ended_at", DateTime(timezone=True)),
        Column("node", Text, nullable=False),
        Column("visit", Integer, nullable=False, comment="how many nodes it has entered"),
        Column("data", JSONB, nullable=False),
        Column("awaits", Text, nullable=False, server_default=text("''")),
        Column("signal", Text, comment="what it awaited and has come"),
        Column("waiting_since", DateTime(timezone=True), nullable=False),
        Column("due_at", DateTime(timezone=True)),
        Column("cause_id", Uuid, nullable=False, comment="what moved it last"),
        Column("cause_occurred_at", DateTime(timezone=True), nullable=False),
        Column("cause_received_at", DateTime(timezone=True), nullable=False),
        Column("by_time", Boolean, nullable=False),
        Column("depth", SmallInteger, nullable=False),
        Column("traceparent", Text),
    )
    op.create_index("runs_due", "runs", ["due_at"], postgresql_where=text("state = 'active' AND due_at IS NOT NULL"))
    op.create_index("runs_of_customer", "runs", ["profile_id"], postgresql_where=text("state = 'active'"))
    op.create_index("runs_of_journey", "runs", ["journey_id", "entered_at", "id"])
    op.create_index("runs_of_person", "runs", ["profile_id", "entered_at", "id"])
    op.create_table(
        "run_steps",
        Column("run_id", Uuid, primary_key=True),
        Column("visit", Integer, primary_key=True),
        Column("outcome", Text, primary_key=True),
        Column("node", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("detail", Text, nullable=False, server_default=text("''")),
        Column("at", DateTime(timezone=True), nullable=False),
    )
