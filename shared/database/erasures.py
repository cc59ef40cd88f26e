"""Erased customers: who keeps something of customers notes for ever who was erased, and passes over what comes late.

The notes stand in each such service's table `erasures`, under every id that the customer ever had.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.contracts.changes import ProfileErased, ProfileMerged
from shared.contracts.envelope import Event
from shared.database import aliases, of_customers
from shared.database.database import Work


async def among(work: Work, profile_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Returns which of these ids were erased."""
    return await of_customers.among(work, "erasures", profile_ids)


async def named(work: Work, events: Iterable[Event]) -> set[UUID]:
    """Returns whom these events erase, under every id that they ever had. The caller holds `lock_merges`, shared."""
    roots = sorted({body.profile_id for event in events if isinstance(body := event.body, ProfileErased)})
    return {name for root in roots for name in (root, *await aliases.names(work, root))}


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


async def without(work: Work, events: Sequence[Event]) -> Sequence[Event]:
    """Returns the events that are not about somebody who was erased."""
    about = {one for event in events for one in _about(event)}
    gone = await among(work, about) if about else frozenset[UUID]()
    return [event for event in events if gone.isdisjoint(_about(event))] if gone else events


def _about(event: Event) -> tuple[UUID, ...]:
    body = event.body
    if isinstance(body, ProfileMerged):
        return (body.survivor,)
    stated = event.profile_id if event.profile_id is not None else getattr(body, "profile_id", None)
    return () if stated is None else (stated,)
