"""Scores by the base: versions of its cut points, and what each customer scores on."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Creates versions of cut points and the columns of what is scored.

    Customers of the release before, and those whom its processes still write, have a `values_at` that is not their
    `evaluated_at`: the service looks at them again.
    """
    op.create_table(
        "score_cuts",
        Column("version", Integer, primary_key=True),
        Column("taken_at", DateTime(timezone=True), nullable=False),
        Column("definition", JSONB, nullable=False),
        Column("applied_to", Uuid),
        Column("applied_at", DateTime(timezone=True)),
    )
    for column in (
        Column("rfm_group", Text),
        Column("abc", Text),
        Column("key_customer", Boolean, nullable=False, server_default=text("false")),
        Column("spend_minor", BigInteger, nullable=False, server_default=text("0")),
        Column("revenue_minor", BigInteger, nullable=False, server_default=text("0")),
        Column("rhythm_days", Integer, nullable=False, server_default=text("0")),
        Column("rhythm_pauses", Integer, nullable=False, server_default=text("0")),
        Column("shop_rhythm_days", Integer, comment="by which the stage was evaluated"),
        Column(
            "values_at",
            DateTime(timezone=True),
            comment="is evaluated_at, unless a process of a release before scores wrote the row",
        ),
    ):
        op.add_column("standings", column)
