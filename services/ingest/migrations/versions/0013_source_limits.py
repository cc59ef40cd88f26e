"""Limits of a source's own: of a batch, and of an event."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Adds two empty columns; PostgreSQL rewrites nothing for them, and the release before does not name them."""
    op.add_column("sources", Column("max_batch_bytes", Integer, comment="of a batch; the service's default if empty"))
    op.add_column("sources", Column("max_event_bytes", Integer, comment="of an event; the service's default if empty"))
