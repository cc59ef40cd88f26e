"""The gate's policy is data; decisions keep what they went by, and messages what they count as.

The index by which reasons are summed is built beside the running service.
"""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Adds a table, an index, and columns that may be empty."""
    op.create_table(
        "gate_policies",
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("policy", JSONB, nullable=False),
        Column("changed_at", DateTime(timezone=True), nullable=False),
        Column("changed_by", Text, nullable=False),
    )
    op.add_column("decisions", Column("message_id", Uuid, comment="the message that it is about; None of before"))
    op.add_column("decisions", Column("evidence", JSONB, comment="what the gate went by"))
    op.add_column("messages", Column("gate_channel", Text, comment="what it counts as at the gate; None: by mail"))
    op.add_column("messages", Column("gate_purpose", Text, comment="what it counts as at the gate; None: marketing"))
    op.add_column("messages", Column("gate_template", Text, comment="what it counts as at the gate"))
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS decisions_journey_id_at")
        op.create_index("decisions_journey_id_at", "decisions", ["journey_id", "at"], postgresql_concurrently=True)
