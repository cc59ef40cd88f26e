"""Who was erased: what comes of them later is passed over."""

from alembic import op
from sqlalchemy import Column, DateTime, Uuid

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "erasures",
        Column("profile_id", Uuid, primary_key=True),
        Column("erased_at", DateTime(timezone=True), nullable=False),
    )
