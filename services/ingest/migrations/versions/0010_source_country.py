"""The country by which a source's national phone numbers are read."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds an empty column; PostgreSQL rewrites nothing for it, and the release before does not name it."""
    op.add_column(
        "sources",
        Column("country", Text, comment="by which its national phone numbers are read; ISO 3166-1 alpha-2"),
    )
