"""Why all sending is stopped."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Adds the reason; a stop of before has none."""
    op.add_column("send_stop", Column("reason", Text, nullable=False, server_default=""))
