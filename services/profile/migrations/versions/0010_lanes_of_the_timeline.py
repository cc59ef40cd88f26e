"""Where profile published each event: partition, origin and sequence; and the orders that moved, as they were told."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds columns that rows of before leave empty, and a table; PostgreSQL rewrites nothing for them.

    Of the orders that moved before, what is kept in `order_marks` is told: it is all that a reader needs.
    """
    op.create_table(
        "reassignments",
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
        Column("stated_at", DateTime(timezone=True), comment="as its sender's clock said, before any correction"),
        Column("context", JSONB, comment="as in shared.contracts.context"),
        Column("merges", Boolean, nullable=False, server_default=text("false")),
        Column("source_version", BigInteger, nullable=False, server_default=text("0")),
        Column("undated", Boolean, nullable=False, server_default=text("false")),
        Column("space", Text, nullable=False, server_default=text("''"), comment="of its source's ids of orders"),
    )
    for table in ("timeline", "reassignments"):
        op.add_column(table, Column("partition", SmallInteger, comment="of profile-events, where it lies"))
        op.add_column(table, Column("origin", Integer, comment="the partition of events that it came from"))
        op.add_column(table, Column("sequence", BigInteger, comment="in the lane of its origin"))
        op.create_index(
            f"{table}_lanes",
            table,
            ["partition", "origin", "sequence"],
            postgresql_where=text("sequence IS NOT NULL"),
        )
        op.create_index(f"{table}_unnumbered", table, ["event_id"], postgresql_where=text("sequence IS NULL"))
    op.execute(
        """
        INSERT INTO reassignments (event_id, profile_id, type, occurred_at, received_at, source_id, source_kind,
                                   historical, claim, identities, body, depth)
        SELECT gen_random_uuid(), profile_id, 'rapport.order_reassigned.v1', now(), now(),
               '87eb08b2-f259-56d0-a796-89a782d59228', 'service', true, false, '[]',
               jsonb_build_object('from_profile', profile_id, 'from_order', order_id, 'to_profile', profile_id,
                                  'to_order', order_id, 'mark', mark, 'order', mark), 0
          FROM order_marks
        """
    )
