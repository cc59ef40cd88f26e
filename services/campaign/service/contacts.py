"""Contacts: who can be written to, kept from what profile tells."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.campaign.domain.contact import contact_of
from services.campaign.repository import contacts as repository
from services.campaign.service import dates, erasing, merging
from shared.contracts.changes import ProfileChanged, ProfileMerged, ProfileSplit
from shared.contracts.envelope import Event
from shared.database import aliases, erasures
from shared.database.database import Work


async def follow(work: Work, events: Sequence[Event], *, partition_secret: bytes) -> None:
    """Takes in profiles' states, of several of one profile the newest, and notes which profile stands for which.

    A state that arrives after its profile was merged away is passed over: the two come in different partitions. What
    was sent and decided stays under the id it was sent to; runs go on as the survivor's. Locks are taken in one go: the
    merges' own, then rows.
    """
    gone = await note(work, events)
    states = [contact_of(event.body) for event in events if isinstance(event.body, ProfileChanged)]
    await erasing.recognise(work, states, partition_secret=partition_secret)
    await dates.follow(work, {event.body.profile_id for event in events if isinstance(event.body, ProfileChanged)})
    await merging.follow(work, gone, partition_secret=partition_secret)


async def note(work: Work, events: Sequence[Event]) -> Mapping[UUID, UUID]:
    """Does to contacts and aliases what `follow` does, and no more. Returns whom each merged customer became."""
    await aliases.lock_merges(work, shared=not any(isinstance(event.body, ProfileMerged) for event in events))
    events = await erasures.without(work, events)
    merges = [event.body for event in events if isinstance(event.body, ProfileMerged)]
    states = _newest(events)
    losers = {merge.loser for merge in merges}
    await repository.lock_contacts(work, losers | states.keys())
    gone: dict[UUID, UUID] = {}
    if merges:
        gone = await aliases.note_merges(
            work, (aliases.Merge(merge.loser, merge.survivor, merge.verified) for merge in merges)
        )
        await repository.forget(work, losers | gone.keys())
    await repository.upsert_contacts(work, [(state, contact_of(state)) for state in states.values()])
    return gone


async def part(work: Work, events: Sequence[Event]) -> None:
    """Makes who was separated from a customer stand for themselves again; what they are now comes with their state.

    What was sent and decided, and runs, stay with the id that they are under.
    """
    await aliases.lock_merges(work)
    await aliases.forget(work, (event.body.separated for event in events if isinstance(event.body, ProfileSplit)))


def _newest(events: Sequence[Event]) -> dict[UUID, ProfileChanged]:
    newest: dict[UUID, ProfileChanged] = {}
    for event in events:
        state = event.body
        if isinstance(state, ProfileChanged):
            known = newest.get(state.profile_id)
            if known is None or state.version > known.version:
                newest[state.profile_id] = state
    return newest
