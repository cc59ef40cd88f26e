"""Exchange rates, copied from profile's reference data."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "rates",
        Column("key", Text, primary_key=True, comment="rates/<base>/<quote>/<year>"),
        Column("version", BigInteger, nullable=False),
        Column("base", Text, nullable=False),
        Column("quote", Text, nullable=False),
        Column("rates", JSONB, nullable=False, comment="by day: decimal numbers, as texts"),
    )
