"""Customers are erased: nothing of them stays, and nothing that comes late makes them anew."""

from collections.abc import Sequence
from uuid import UUID

from services.segment.repository import erasures
from services.segment.repository import standings as standing_rows
from shared.contracts.changes import ProfileChanged, ProfileErased, ProfileMerged
from shared.contracts.envelope import Event
from shared.database import aliases
from shared.database.database import Work


async def erase(work: Work, events: Sequence[Event]) -> None:
    """Deletes all that is kept of customers, under every id that they ever had, and remembers that they are erased."""
    await aliases.lock_merges(work, shared=True)
    named = sorted({body.profile_id for event in events if isinstance(body := event.body, ProfileErased)})
    ids = {name for one in named for name in (one, *await aliases.names(work, one))}
    await standing_rows.lock(work, ids)
    await erasures.note(work, ids)
    await erasures.delete(work, ids)


async def without_erased(work: Work, events: Sequence[Event]) -> Sequence[Event]:
    """Returns the events that are not about somebody who was erased."""
    gone = await erasures.among(work, {one for event in events for one in _about(event)})
    return [event for event in events if gone.isdisjoint(_about(event))] if gone else events


def _about(event: Event) -> tuple[UUID, ...]:
    body = event.body
    if isinstance(body, ProfileMerged):
        return (body.survivor,)
    if isinstance(body, ProfileChanged):
        return (body.profile_id,)
    return () if event.profile_id is None else (event.profile_id,)
