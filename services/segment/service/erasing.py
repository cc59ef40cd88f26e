"""Customers are erased: nothing of them stays, and nothing that comes late makes them anew."""

from collections.abc import Sequence

from services.segment.repository import erasures as rows
from services.segment.repository import standings as standing_rows
from shared.contracts.envelope import Event
from shared.database import aliases, erasures
from shared.database.database import Work


async def erase(work: Work, events: Sequence[Event]) -> None:
    """Deletes all that is kept of customers, under every id that they ever had, and remembers that they are erased."""
    await aliases.lock_merges(work, shared=True)
    ids = await erasures.named(work, events)
    await standing_rows.lock(work, ids)
    await erasures.note(work, ids)
    await rows.delete(work, ids)
