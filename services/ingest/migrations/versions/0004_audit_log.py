"""Who changed which definition."""

from alembic import op

from shared.database.migrate import create_audit_log

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Creates the mechanism's tables."""
    create_audit_log(op)
