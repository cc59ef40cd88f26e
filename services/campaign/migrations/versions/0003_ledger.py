"""Which database the record of sends lies in, and the floor after a restore."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Text, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates the table. Its row comes with the first look at it: whoever upgrades was not restored."""
    op.create_table(
        "ledger",
        Column("single", Boolean, primary_key=True, server_default=text("true")),
        Column("system_identifier", BigInteger, nullable=False),
        Column("timeline_id", BigInteger, nullable=False),
        Column("database_oid", BigInteger, nullable=False),
        Column("floor", DateTime(timezone=True), comment="what could have been answered before it is never sent"),
        Column("awaiting_since", DateTime(timezone=True), comment="since when nothing leaves until a floor is set"),
        Column("reason", Text, comment="why a floor is awaited"),
        CheckConstraint("single", name="ledger_single_row"),
    )
