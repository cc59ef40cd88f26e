"""Which former ids of a customer open the customer to their own tokens."""

from alembic import op

from shared.database.migrate import add_verified_aliases

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds a column of the mechanism; PostgreSQL rewrites nothing for it."""
    add_verified_aliases(op)
