"""Standings, orders, the policy, and the mechanisms' tables."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables. The policy is published by the service at its start."""
    create_mechanism_tables(op)
    op.create_table(
        "standings",
        Column("profile_id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False, server_default=text("0")),
        Column("tier", Text, nullable=False),
        Column("tier_reason", Text, nullable=False, server_default=text("''")),
        Column("stage", Text, nullable=False),
        Column("stage_reason", Text, nullable=False, server_default=text("''")),
        Column("recency", SmallInteger),
        Column("frequency", SmallInteger),
        Column("monetary", SmallInteger),
        Column("orders", Integer, nullable=False, server_default=text("0")),
        Column("window_spend_minor", BigInteger, nullable=False, server_default=text("0")),
        Column("last_order_at", DateTime(timezone=True)),
        Column("due_at", DateTime(timezone=True)),
        Column("evaluated_at", DateTime(timezone=True)),
    )
    op.create_index("standings_due_at", "standings", ["due_at"], postgresql_where=text("due_at IS NOT NULL"))
    op.create_index("standings_tier_stage", "standings", ["tier", "stage"])
    op.create_table(
        "orders",
        Column("profile_id", Uuid, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("facts", JSONB, nullable=False),
        Column("counts", Boolean, nullable=False),
        Column("currency", Text),
        Column("net_minor", BigInteger, nullable=False),
        Column("placed_at", DateTime(timezone=True)),
    )
    op.create_table("policies", Column("id", Text, primary_key=True), Column("definition", JSONB, nullable=False))
