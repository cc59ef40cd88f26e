"""What was said under the idempotency keys of the typed routes."""

from alembic import op
from sqlalchemy import Column, DateTime, LargeBinary, Uuid

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "fact_keys",
        Column("event_id", Uuid, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False, comment="of the body that was taken under the key"),
        Column("at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("fact_keys_at", "fact_keys", ["at"])
