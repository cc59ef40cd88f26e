"""Spaces of ids, a source's own versions, undated events; orders that move from customer to customer, and payments."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds columns that rows of before leave empty, and new tables; PostgreSQL rewrites nothing for them."""
    op.add_column("timeline", Column("source_version", BigInteger, nullable=False, server_default=text("0")))
    op.add_column("timeline", Column("undated", Boolean, nullable=False, server_default=text("false")))
    op.add_column(
        "timeline",
        Column("space", Text, nullable=False, server_default=text("''"), comment="of its source's ids of orders"),
    )
    op.alter_column("orders", "order_id", comment="with its space: contracts.orders.order_key")
    op.create_index("orders_paid", "orders", ["profile_id"], postgresql_where=text("facts ? 'payments'"))
    op.create_table(
        "order_owners",
        Column("source_id", Text, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("profile_id", Uuid, nullable=False, comment="it may have been merged since: see aliases"),
        Column("stamp", JSONB, nullable=False, comment="of that snapshot"),
    )
    op.create_table(
        "order_marks",
        Column("profile_id", Uuid, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("mark", JSONB, nullable=False, comment="facts, to be merged into the row's"),
    )
    op.create_table(
        "payment_refs",
        Column("ref", Text, primary_key=True, comment="a payment's id at its provider"),
        Column("profile_id", Uuid, primary_key=True),
        Column("order_id", Text, primary_key=True),
        Column("paid", Boolean, nullable=False, comment="a provider's row of payments; else a shop's order"),
    )
