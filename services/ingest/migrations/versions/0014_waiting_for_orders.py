"""Refused payloads that wait for the customer of their order."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Adds an empty column, and an index of the few rows that have it; the release before does not name it."""
    op.add_column("quarantine", Column("waits_for", Text, comment="the order whose customer is not known yet"))
    op.create_index(
        "quarantine_waits_for",
        "quarantine",
        ["waits_for"],
        postgresql_where=text("state = 'held' AND waits_for IS NOT NULL"),
    )
