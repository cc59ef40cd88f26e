"""Standings, orders, the policy, and the mechanisms' tables."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.migrate import create_mechanism_tables

revision = "0001"
down_revision = None

POLICY = """{
  "currency": "USD",
  "tiers": [
    {"name": "bronze", "from_minor": 0},
    {"name": "silver", "from_minor": 10000},
    {"name": "gold", "from_minor": 25000},
    {"name": "diamond", "from_minor": 100000}
  ],
  "tier_window_days": 365,
  "new_days": 30,
  "loyal_orders": 4,
  "at_risk_days": 90,
  "churned_days": 180,
  "recency_cuts": [30, 90, 180, 365],
  "frequency_cuts": [2, 3, 5, 8],
  "monetary_cuts": [5000, 10000, 25000, 100000]
}"""


def upgrade() -> None:
    """Creates the first tables."""
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
    policies = op.create_table(
        "policies", Column("id", Text, primary_key=True), Column("definition", JSONB, nullable=False)
    )
    op.execute(policies.insert().values(id="default", definition=text(f"CAST('{POLICY}' AS jsonb)")))
