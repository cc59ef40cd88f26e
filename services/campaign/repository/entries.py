"""SQL on entries: which orders have let their customers into which journeys."""

from collections.abc import Sequence, Set
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, unnest


class StoredEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An order that let its customer into a journey. Field names are column names."""

    journey_id: str
    profile_id: UUID
    order_id: str
    trigger_id: UUID
    entered_at: datetime


async def add(work: Work, wanted: Sequence[StoredEntry]) -> Set[tuple[str, UUID]]:
    """Adds entries, each order once a journey and customer: of several the first. Returns (journey, trigger) of those.

    Guarantee: of two transactions that add the same, one waits for the other and adds nothing.
    """
    ordered = sorted(wanted, key=lambda one: (one.journey_id, one.profile_id, one.order_id))
    rows = await work.rows(
        f"""
        INSERT INTO entries ({columns(StoredEntry)})
        SELECT {columns(StoredEntry, "n")}
          FROM {unnest(StoredEntry, "n")}
            ON CONFLICT (journey_id, profile_id, order_id) DO NOTHING
        RETURNING journey_id, trigger_id
        """,
        **arrays(ordered, StoredEntry),
    )
    return {(row.journey_id, row.trigger_id) for row in rows}
