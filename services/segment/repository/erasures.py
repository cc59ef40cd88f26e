"""SQL on erasures: deleting all that is kept of customers."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from shared.database import of_customers
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


async def delete(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes every row of these customers."""
    await of_customers.delete(work, TABLES, profile_ids)
