"""Contacts: who can be written to, kept from what profile tells."""

from collections.abc import Sequence
from uuid import UUID

from services.campaign.domain.gate import contact_of
from services.campaign.repository import contacts as repository
from shared import aliases
from shared.contracts.changes import ProfileChanged, ProfileMerged
from shared.contracts.envelope import Event
from shared.db import Work


async def keep(work: Work, events: Sequence[Event]) -> None:
    """Takes in profiles' states; of several of one profile, the newest."""
    newest: dict[UUID, ProfileChanged] = {}
    for event in events:
        state = event.body
        if isinstance(state, ProfileChanged):
            known = newest.get(state.profile_id)
            if known is None or state.version > known.version:
                newest[state.profile_id] = state
    await repository.upsert_contacts(
        work,
        [
            (state, contact_of(state.profile_id, state.identities, state.traits, state.consent))
            for state in newest.values()
        ],
    )


async def follow_merges(work: Work, events: Sequence[Event]) -> None:
    """Notes which profile stands for which. What was sent and decided stays under the id it was sent to."""
    await aliases.lock_merges(work)
    losers: list[UUID] = []
    for event in events:
        if isinstance(event.body, ProfileMerged):
            await aliases.note_merge(work, loser=event.body.loser, survivor=event.body.survivor)
            losers.append(event.body.loser)
    await repository.forget(work, losers)
