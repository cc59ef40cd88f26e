"""Who made each link of the identity log, which events merge explicitly, and which former ids are verified."""

from alembic import op
from sqlalchemy import Boolean, Column, Text, text

from shared.database.migrate import add_verified_aliases

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds columns that rows of before leave empty; PostgreSQL rewrites nothing for them."""
    add_verified_aliases(op)
    op.add_column("timeline", Column("merges", Boolean, nullable=False, server_default=text("false")))
    op.add_column("identity_log", Column("provenance", Text, comment="public, server, service or verified"))
    op.add_column(
        "identity_log", Column("verified", Boolean, comment="of a merge: whether the id that is gone opens the other")
    )
    # Each event of a browser that two people share is refused alike: once in the log is enough.
    op.create_index(
        "identity_log_refusals",
        "identity_log",
        ["profile_id", "other_id", "namespace", "value", "provenance"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("kind = 'refuse' AND provenance IS NOT NULL"),
    )
