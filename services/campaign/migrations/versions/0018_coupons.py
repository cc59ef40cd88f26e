"""Coupons of customers' own."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Adds a table, empty."""
    op.create_table(
        "coupons",
        Column("code", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("journey_id", Text, nullable=False),
        Column("run_id", Uuid, nullable=False),
        Column("profile_id", Uuid, nullable=False),
        Column("value", JSONB, nullable=False),
        Column("minimum_minor", BigInteger),
        Column("issued_at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("redeemed_at", DateTime(timezone=True)),
        Column("order_id", Text, comment="for which it was redeemed"),
    )
    op.create_index("coupons_of_customer", "coupons", ["profile_id", "issued_at"])
    op.create_index("coupons_of_run", "coupons", ["run_id"])
