"""Providers that take nothing from us, and addresses that take no mail."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, SmallInteger, Text, UniqueConstraint, Uuid, text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "provider_stops",
        Column("channel", Text, primary_key=True),
        Column("stopped_at", DateTime(timezone=True), nullable=False),
        Column("stage", Text, nullable=False, comment="of the dialogue, at which it refused last"),
        Column("code", SmallInteger, nullable=False),
        Column("status", Text, nullable=False, comment="the enhanced status, or empty"),
        Column("reply", Text, nullable=False),
        Column("replied_at", DateTime(timezone=True), nullable=False),
        Column("probes", Integer, nullable=False, server_default=text("0")),
        Column("probe_at", DateTime(timezone=True), nullable=False, comment="when one message may try"),
    )
    op.create_table(
        "suppressions",
        Column("id", Uuid, primary_key=True, comment="of the message that was refused"),
        Column("channel", Text, nullable=False),
        Column("address", Text, nullable=False),
        Column("reason", Text, nullable=False, comment="the provider's reply"),
        Column("suppressed_at", DateTime(timezone=True), nullable=False),
        UniqueConstraint("channel", "address", name="suppressions_one_per_address"),
    )
    op.create_index("suppressions_suppressed_at", "suppressions", ["suppressed_at", "id"])
