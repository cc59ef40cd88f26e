"""The space in which a source's ids of customers and orders live."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Adds a column with a default; existing sources keep the common space."""
    op.add_column(
        "sources",
        Column(
            "id_space",
            Text,
            nullable=False,
            server_default=text("''"),
            comment="in which its ids of customers and orders live",
        ),
    )
