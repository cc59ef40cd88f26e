"""Values that many customers give: who was refused because of each."""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Creates an index of the refusals, of which there are few beside the log's other lines."""
    op.create_index(
        "identity_log_refused_values",
        "identity_log",
        ["namespace", "value", "profile_id"],
        postgresql_where=text("kind = 'refuse' AND provenance <> 'public'"),
    )
