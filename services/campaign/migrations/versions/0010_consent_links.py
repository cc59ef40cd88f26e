"""Requests for a confirmation of consent, and the links that withdrew it."""

from alembic import op
from sqlalchemy import Column, DateTime, SmallInteger, Text, Uuid, text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "confirmations",
        Column("id", Uuid, primary_key=True),
        Column("profile_id", Uuid, nullable=False, comment="of the visitor who gave the address"),
        Column("address", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("purpose", Text, nullable=False),
        Column("language", Text, nullable=False),
        Column("requested_by", Uuid, nullable=False, comment="the visitor's event"),
        Column("state", Text, nullable=False, server_default=text("'pending'")),
        Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("sending_since", DateTime(timezone=True)),
        Column("handed_at", DateTime(timezone=True)),
        Column("claim_id", Uuid, comment="the claim that marked it as sending last"),
        Column("confirmed_at", DateTime(timezone=True)),
        Column("cause_occurred_at", DateTime(timezone=True), nullable=False),
        Column("cause_received_at", DateTime(timezone=True), nullable=False),
        Column("depth", SmallInteger, nullable=False),
        Column("traceparent", Text),
    )
    op.create_index("confirmations_due", "confirmations", ["due_at"], postgresql_where=text("state = 'pending'"))
    op.create_index("confirmations_sending", "confirmations", ["sending_since"])
    op.create_index("confirmations_address", "confirmations", ["address", "created_at"])
    op.create_index("confirmations_created_at", "confirmations", ["created_at"])
    op.create_table(
        "unsubscriptions",
        Column("message_id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False, comment="when its link was used last"),
    )
