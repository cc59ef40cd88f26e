"""What is known of a customer has one due time, and `memberships` the members alone.

Nothing is moved: what a release before has noted as due in `memberships` is found there when its time has come, and
goes then. The index is built beside the running service; what an attempt that was cut off left is dropped first.
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Adds the due time and its index, and keeps a customer's row in one piece and in its page."""
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE customer_segments ADD COLUMN IF NOT EXISTS due_at timestamptz")
        op.execute(
            "COMMENT ON COLUMN customer_segments.due_at "
            "IS 'the earliest moment in `known` at which to look again, or one before it'"
        )
        op.execute("COMMENT ON COLUMN customer_segments.known IS 'memberships, and what is due, packed'")
        op.execute("COMMENT ON COLUMN memberships.due_at IS 'by a release before 0018'")
        # Rows are written again with most events: room beside them makes that cheap, compressing them would not.
        op.execute("ALTER TABLE customer_segments SET (fillfactor = 60, toast_tuple_target = 8160)")
        op.execute("ALTER TABLE standings SET (fillfactor = 85)")  # with each change that is published of a customer
        op.execute("ALTER TABLE customer_segments ALTER COLUMN known SET STORAGE EXTERNAL")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS customer_segments_due_at")
        op.create_index(
            "customer_segments_due_at",
            "customer_segments",
            ["due_at"],
            postgresql_where="due_at IS NOT NULL",
            postgresql_concurrently=True,
        )
