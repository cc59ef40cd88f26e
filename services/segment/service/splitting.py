"""A customer turns out to be two: both wait as they stand until they were read anew."""

from collections.abc import Sequence

from services.segment.repository import rereads
from services.segment.service import standings
from shared.contracts.changes import ProfileSplit
from shared.contracts.envelope import Event
from shared.database import aliases
from shared.database.database import Work


async def part(work: Work, events: Sequence[Event]) -> None:
    """Parts customers: who was separated is nobody's former name any more, and both are to be read anew.

    What is kept of them stays until then, and nobody looks at them: half of what they did is no ground for anything.
    """
    await aliases.lock_merges(work)
    bodies = [(event, event.body) for event in events if isinstance(event.body, ProfileSplit)]
    await aliases.forget(work, (body.separated for _, body in bodies))
    canonical, _, _ = await standings.lock(
        work, {one for _, body in bodies for one in (body.profile_id, body.separated)}
    )
    for event, body in bodies:
        both = {canonical[body.profile_id], canonical[body.separated]}
        await rereads.ask(work, both, split_id=event.event_id, split_at=body.at)
