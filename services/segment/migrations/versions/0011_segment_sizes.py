"""The sizes of segments over time."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Creates the table, which nothing of the release before reads or writes."""
    op.create_table(
        "segment_sizes",
        Column("segment_id", Text, primary_key=True),
        Column("at", DateTime(timezone=True), primary_key=True),
        Column("members", BigInteger, nullable=False),
        Column("entered", BigInteger),
        Column("exited", BigInteger),
    )
