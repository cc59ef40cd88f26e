"""Whose records are refused, and whose are taken in no more."""

from alembic import op

from shared.database.migrate import create_blocked_sources

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Creates the mechanism's tables."""
    create_blocked_sources(op)
