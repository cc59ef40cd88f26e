"""SQL on erasures: who was erased, for ever, and deleting all that is kept of them."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from services.segment.repository import of_customers
from shared.database.database import Work

# Every table that has rows of a customer.
TABLES: Final = (
    "standings",
    "programme_standings",
    "tier_overrides",
    "orders",
    "customers",
    "history",
    "occurrences",
    "customer_tags",
    "list_members",
    "memberships",
    "customer_segments",
    "rereads",
)


async def among(work: Work, profile_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Returns which of these ids were erased."""
    return await of_customers.among(work, "erasures", profile_ids)


async def note(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Notes that these ids are erased, for ever."""
    await work.run(
        """
        INSERT INTO erasures (profile_id, erased_at)
        SELECT id, :now
          FROM unnest(CAST(:ids AS uuid[])) AS n(id)
         ORDER BY id
            ON CONFLICT (profile_id) DO NOTHING
        """,
        ids=sorted(set(profile_ids)),
        now=work.now,
    )


async def delete(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes every row of these customers."""
    await of_customers.delete(work, TABLES, profile_ids)
