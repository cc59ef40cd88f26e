"""Policies have versions; a policy that the shop edited in place becomes the shop's own."""

from alembic import op
from sqlalchemy import Column, Integer, text

revision = "0007"
down_revision = "0006"

# What the first release wrote into the table. What differs from it, somebody has edited.
FIRST = """{
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
    """Copies an edited policy. The edited row stays: processes of the release before read it until they end."""
    op.add_column("policies", Column("version", Integer, nullable=False, server_default=text("1")))
    op.drop_constraint("policies_pkey", "policies")
    op.create_primary_key("policies_pkey", "policies", ["id", "version"])
    op.execute(
        text(
            """
            INSERT INTO policies (id, version, definition)
            SELECT 'own', 1, definition
              FROM policies
             WHERE id = 'default' AND definition <> CAST(:first AS jsonb)
            """
        ).bindparams(first=FIRST)
    )
