"""Exchange rates: statements, of which the latest of a pair and day counts."""

from alembic import op
from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Numeric, Text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "rates",
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("base", Text, nullable=False, comment="ISO 4217"),
        Column("quote", Text, nullable=False, comment="ISO 4217"),
        Column("day", Date, nullable=False),
        Column("rate", Numeric, nullable=False, comment="units of the quoted currency for one unit of the base"),
        Column("stated_at", DateTime(timezone=True), nullable=False),
        Column("stated_by", Text, nullable=False),
    )
    op.create_index("rates_base_quote_day", "rates", ["base", "quote", "day", "id"])
