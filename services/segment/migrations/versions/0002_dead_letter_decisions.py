"""What became of each dead letter."""

from alembic import op

from shared.database.migrate import create_dead_letter_decisions

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Creates the mechanism's table."""
    create_dead_letter_decisions(op)
