"""The circumstances of each event."""

from alembic import op
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds a column that rows of before leave empty; PostgreSQL rewrites nothing for it."""
    op.add_column("timeline", Column("context", JSONB))
