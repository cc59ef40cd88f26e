"""What a public source may say of addresses and consent, and the traits that mean consent."""

from alembic import op
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Adds two columns; PostgreSQL rewrites nothing for them, and the release before does not name them."""
    op.add_column(
        "sources",
        Column(
            "may_say",
            ARRAY(Text),
            nullable=False,
            server_default="{}",
            comment="what a public key may say beside behaviour: addresses, consent",
        ),
    )
    op.add_column("sources", Column("consent_words", JSONB, comment="which traits mean consent; usual, or its own"))
