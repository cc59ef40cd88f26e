"""The index of histories by name knows whose they are: a preview of the whole base reads it alone.

Built beside the running service. What an attempt that was cut off left is dropped first.
"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Builds the new index, then drops the old one."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS history_name_at_profile")
        op.create_index(
            "history_name_at_profile",
            "history",
            ["name", "at"],
            postgresql_include=["profile_id"],
            postgresql_concurrently=True,
        )
        op.drop_index("history_name_at", postgresql_concurrently=True)
