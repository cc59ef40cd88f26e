"""Answers that nobody asked for, the occasions that were answered, and whose orders are."""

from alembic import op
from sqlalchemy import Column, Text, Uuid, text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds a column without a default, which PostgreSQL does not write out, and tables."""
    op.add_column("responses", Column("unsolicited", Text, comment="why it counts in nothing; empty if it counts"))
    op.create_index(
        "responses_unsolicited", "responses", ["received_at", "id"], postgresql_where=text("unsolicited IS NOT NULL")
    )
    op.create_table(
        "occasions",
        Column("occasion", Text, primary_key=True, comment="an order, or a day, and a survey"),
        Column("response_id", Uuid, nullable=False, comment="the answer that counts"),
    )
    op.create_table(
        "customer_orders",
        Column("order_id", Text, primary_key=True),
        Column("profile_id", Uuid, primary_key=True),
    )
