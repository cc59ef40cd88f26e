"""The projections, and one digest of each: equal if and only if every row is."""

from collections.abc import Mapping
from typing import Final

from tests.faults.world import World

# What a rebuild must make again. Left out: counters of changes (`version`), and when something was looked at.
PROJECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "profile": {
        "profiles": "id, first_seen, last_seen, state, orders, spend_minor, first_order_at, last_order_at",
        "orders": "profile_id, order_id, facts, counts, currency, net_minor, refunded_minor, margin_minor, placed_at",
        "counts": "profile_id, kind, name, times",
        "identities": "namespace, value, profile_id",
        "profile_aliases": "profile_id, canonical_id",
    },
    "segment": {
        "standings": "profile_id, tier, tier_reason, stage, stage_reason, recency, frequency, monetary, orders, "
        "window_spend_minor, last_order_at, due_at",
        "orders": "profile_id, order_id, facts, counts, currency, net_minor, placed_at",
        "profile_aliases": "profile_id, canonical_id",
    },
    "campaign": {
        "contacts": "profile_id, email, first_name, name, language, country, consent, orders, spend_minor",
        "standings": "profile_id, kind, value",
        "profile_aliases": "profile_id, canonical_id",
    },
    "feedback": {"profile_aliases": "profile_id, canonical_id"},
}


async def digests(world: World, tables: Mapping[str, str], service: str) -> dict[str, str]:
    """By table: MD5 over its rows as text, in one order."""
    found: dict[str, str] = {}
    async with world.database(service) as connection:
        for table, columns in tables.items():
            found[table] = str(
                await connection.fetchval(
                    f"SELECT count(*) || '/' || md5(coalesce(string_agg(line, ';' ORDER BY line), '')) "
                    f"FROM (SELECT ROW({columns})::text AS line FROM {table}) AS lines"
                )
            )
    return found
