"""By which claim a message was marked as being sent, so that a claim whose COMMIT got no answer can be taken back."""

from alembic import op
from sqlalchemy import Column, Uuid

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the column, empty: a sender of before goes on without it."""
    op.add_column("messages", Column("claim_id", Uuid, comment="the claim that marked it as sending last"))
