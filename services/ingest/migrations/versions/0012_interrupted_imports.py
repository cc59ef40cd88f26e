"""How often the process that worked on an import has ended, without a word, since the import last came on."""

from alembic import op
from sqlalchemy import Column, Integer, text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Adds a column with a default; PostgreSQL rewrites nothing for it, and the release before does not name it."""
    op.add_column(
        "imports",
        Column(
            "interrupted",
            Integer,
            nullable=False,
            server_default=text("0"),
            comment="ends of its processes without a word, since it last came on",
        ),
    )
