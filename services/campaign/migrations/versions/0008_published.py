"""What a broker that keeps nothing has acknowledged stays until its readers have it."""

from alembic import op

from shared.database.migrate import create_published

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Creates the mechanism's table."""
    create_published(op)
