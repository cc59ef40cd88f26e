"""The projections as rows, what of them a rebuild must make again, and how two looks at them differ."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from tests.faults.world import World

SHOWN: Final = 3  # rows of each side, where two looks differ
Rows = Mapping[str, Sequence[str]]

# What a rebuild must make again. Left out: counters of changes (`version`; that of a membership is
# its definition's), when something was looked at, and since when a customer is in a segment.
PROJECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "profile": {
        "profiles": "id, first_seen, last_seen, state, orders, spend_minor, first_order_at, last_order_at",
        "orders": "profile_id, order_id, facts, counts, currency, net_minor, refunded_minor, margin_minor, placed_at",
        "counts": "profile_id, kind, name, times",
        "identities": "namespace, value, profile_id",
        "profile_aliases": "profile_id, canonical_id",
    },
    "segment": {
        "standings": "profile_id, tier, tier_reason, stage, stage_reason, orders, spend_minor, revenue_minor, "
        "rhythm_days, rhythm_pauses, window_spend_minor, last_order_at, due_at, tier_version, tier_figure, "
        "tier_since, tier_by_hand, downgrade_at, downgrade_to, downgrade_warned",
        "programme_standings": "profile_id, programme, programme_version, tier, figure, reason, since, by_hand, "
        "downgrade_at, downgrade_to, warned, due_at",
        "orders": "profile_id, order_id, facts, counts, currency, net_minor, placed_at",
        "profile_aliases": "profile_id, canonical_id",
        "customers": "profile_id, zone, language, traits, dates, identities, consents, orders, spend_minor, "
        "first_seen, last_seen, first_order_at, last_order_at",
        "history": "profile_id, name, at, event_id, properties",
        "occurrences": "profile_id, name, times, kept, first_at, last_at",
        "customer_tags": "profile_id, tag, set, expires_at, stamp",
        "list_members": "profile_id, list_id, member, expires_at, stamp",
        "memberships": "profile_id, segment_id, version, member",
    },
    "campaign": {
        "contacts": "profile_id, email, first_name, name, language, country, consent, orders, spend_minor",
        "standings": "profile_id, kind, value",
        "profile_aliases": "profile_id, canonical_id",
    },
    "feedback": {"profile_aliases": "profile_id, canonical_id"},
}


async def rows(world: World, service: str) -> Rows:
    """By table of a service: its rows as text, in one order."""
    async with world.database(service) as connection:
        return {
            table: sorted(
                row["line"] for row in await connection.fetch(f"SELECT ROW({columns})::text AS line FROM {table}")
            )
            for table, columns in PROJECTIONS[service].items()
        }


def digest(lines: Sequence[str]) -> str:
    """How many rows, and SHA-256 over them."""
    return f"{len(lines)}/{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def differing(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Some of the rows that only one side has: `- ` before, `+ ` after."""
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    return [*(f"- {line}" for line in gone[:SHOWN]), *(f"+ {line}" for line in come[:SHOWN])]
