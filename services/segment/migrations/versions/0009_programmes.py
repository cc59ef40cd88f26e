"""Programmes of tiers, what customers have in them, tiers given by hand; the tiers in force become a programme."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"

MOMENT = DateTime(timezone=True)
LONGEST_DAYS = 36_500  # that a window may have now

# A policy that makes no sense makes no programme: the service's own is published then. Processes of the release before
# go on with the table `policies`, which says the same.
TIERS = """
    INSERT INTO programmes (id, version, definition, effective_at, author, made_at)
    SELECT 'default', 1,
           jsonb_build_object(
               'title', '', 'basis', 'spend', 'currency', upper(definition->>'currency'), 'zone', 'UTC',
               'window', jsonb_build_object(
                   'kind', 'rolling', 'days', least(CAST(definition->>'tier_window_days' AS numeric), :longest)
               ),
               'tiers', (
                   SELECT jsonb_agg(jsonb_build_object('name', t->'name', 'at_least', t->'from_minor') ORDER BY place)
                     FROM jsonb_array_elements(definition->'tiers') WITH ORDINALITY AS e(t, place)
               ),
               'downgrade', jsonb_build_object('kind', 'at_once'),
               'warn_days', 0
           ),
           timestamptz 'epoch', 'upgrade', now()
      FROM (SELECT definition FROM policies ORDER BY id = 'own' DESC, version DESC LIMIT 1) AS p
     WHERE jsonb_typeof(definition->'tiers') = 'array'
       AND definition->>'tier_window_days' ~ '^[0-9]{1,18}$'
"""
# What is kept of customers since is filled in by looking at all of them once.
LOOK_AT_ALL = """
    INSERT INTO programme_rollouts (programme, version, effective_at)
    SELECT id, version, effective_at FROM programmes WHERE EXISTS (SELECT 1 FROM standings)
"""


def upgrade() -> None:
    """Adds tables, and columns that processes of the release before leave empty."""
    op.create_table(
        "programmes",
        Column("id", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("definition", JSONB, nullable=False),
        Column("effective_at", MOMENT, nullable=False),
        Column("author", Text, nullable=False),
        Column("made_at", MOMENT, nullable=False),
    )
    op.create_table(
        "programme_rollouts",
        Column("programme", Text, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("effective_at", MOMENT, nullable=False),
        Column("reached", Uuid, comment="the last customer who was looked at"),
        Column("customers", BigInteger, nullable=False, server_default=text("0")),
        Column("changed", BigInteger, nullable=False, server_default=text("0")),
        Column("done_at", MOMENT),
    )
    op.create_table(
        "tier_overrides",
        Column("profile_id", Uuid, primary_key=True),
        Column("programme", Text, primary_key=True),
        Column("tier", Text, nullable=False),
        Column("mode", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("set_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT),
    )
    op.create_table(
        "programme_standings",
        Column("profile_id", Uuid, primary_key=True),
        Column("programme", Text, primary_key=True),
        Column("programme_version", Integer, nullable=False),
        Column("tier", Text, nullable=False),
        Column("figure", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        Column("since", MOMENT),
        Column("by_hand", Boolean, nullable=False),
        Column("downgrade_at", MOMENT),
        Column("downgrade_to", Text),
        Column("warned", Boolean, nullable=False),
        Column("due_at", MOMENT),
    )
    op.create_index("programme_standings_tier", "programme_standings", ["programme", "tier", "profile_id"])
    for column in (
        Column("tier_version", Integer),
        Column("tier_figure", BigInteger),
        Column("tier_since", MOMENT),
        Column("tier_by_hand", Boolean, nullable=False, server_default=text("false")),
        Column("downgrade_at", MOMENT),
        Column("downgrade_to", Text),
        Column("downgrade_warned", Boolean, nullable=False, server_default=text("false")),
    ):
        op.add_column("standings", column)
    op.execute(text(TIERS).bindparams(longest=LONGEST_DAYS))
    op.execute(text(LOOK_AT_ALL))
