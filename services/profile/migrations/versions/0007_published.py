"""What a broker that keeps nothing has acknowledged stays until its readers have it."""

from alembic import op

from shared.database.migrate import create_published

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Creates the mechanism's table."""
    create_published(op)
