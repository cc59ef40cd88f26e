"""Contacts: who can be written to, kept from what profile tells."""

from collections.abc import Sequence
from uuid import UUID

from services.campaign.domain.contact import contact_of
from services.campaign.repository import contacts as repository
from shared.contracts.changes import ProfileChanged, ProfileMerged
from shared.contracts.envelope import Event
from shared.database import aliases
from shared.database.database import Work


async def follow(work: Work, events: Sequence[Event]) -> None:
    """Takes in profiles' states, of several of one profile the newest, and notes which profile stands for which.

    A state that arrives after its profile was merged away is passed over: the two come in different partitions. What
    was sent and decided stays under the id it was sent to. Locks are taken in one go: the merges' own, then rows.
    """
    merges = [event.body for event in events if isinstance(event.body, ProfileMerged)]
    states = _newest(events)
    await aliases.lock_merges(work, shared=not merges)
    losers = {merge.loser for merge in merges}
    await repository.lock_contacts(work, losers | states.keys())
    if merges:
        gone = await aliases.note_merges(
            work, (aliases.Merge(merge.loser, merge.survivor, merge.verified) for merge in merges)
        )
        await repository.forget(work, losers | gone.keys())
    await repository.upsert_contacts(work, [(state, contact_of(state)) for state in states.values()])


def _newest(events: Sequence[Event]) -> dict[UUID, ProfileChanged]:
    newest: dict[UUID, ProfileChanged] = {}
    for event in events:
        state = event.body
        if isinstance(state, ProfileChanged):
            known = newest.get(state.profile_id)
            if known is None or state.version > known.version:
                newest[state.profile_id] = state
    return newest
