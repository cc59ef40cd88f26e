"""Refilling the projections from the record: the timeline and the identity log.

Safe beside the running service: each step takes the locks that a batch takes, so a batch comes before it or after.
Nothing is published, and no version falls.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.profile.domain.record import Folded, folded, stand_ins, verified_ids
from services.profile.repository import rebuild as repository
from services.profile.repository.orders import marks_by_profile
from shared.contracts.envelope import Event
from shared.database import aliases
from shared.database.database import Work

PROFILES: Final = 200  # a transaction
IDENTITIES: Final = 1000  # a transaction
NOBODY: Final = UUID(int=0)


async def count(work: Work) -> int:
    """Returns about how many profiles there are to look at."""
    return await repository.count(work)


async def mend_aliases(work: Work) -> int:
    """Mends who stands for whom, by the log's merges. Returns how many rows were wrong."""
    await aliases.lock_merges(work)
    merges = await repository.merges(work)
    survivors = {one.loser: one.survivor for one in merges}
    verified = verified_ids(survivors, {one.loser for one in merges if one.verified})
    return await repository.save_aliases(
        work, [aliases.Merge(loser, root, loser in verified) for loser, root in stand_ins(survivors).items()]
    )


async def fill_identities(work: Work) -> int:
    """Gives identities without an owner the log's. Returns how many there were."""
    return await repository.fill_identities(work)


async def correct_identities(work: Work) -> int:
    """Corrects owners other than the log's, some at a time. Returns how many there were."""
    doubtful = await repository.doubtful_identities(work, limit=IDENTITIES)
    return await repository.correct_identities(work, doubtful) if doubtful else 0


async def fold_anew(
    work: Work, profile_ids: Sequence[UUID]
) -> tuple[Mapping[UUID, Sequence[Event]], Mapping[UUID, Folded]]:
    """Returns the events of these canonical profiles, and what the record makes of them, but for those without any."""
    events = await repository.events(work, profile_ids)
    linked = await repository.links(work, profile_ids)
    parted = await repository.sides(work, profile_ids)
    marks = await marks_by_profile(work, profile_ids)
    return events, {one: folded(events[one], linked.get(one, ()), marks.get(one), parted.get(one)) for one in events}


async def save_anew(
    work: Work, profile_ids: Sequence[UUID], made: Mapping[UUID, Folded], versions: Mapping[UUID, int]
) -> Counter[str]:
    """Stores what `fold_anew` made of locked profiles; others of them keep nothing. Returns the rows that were wrong.

    A profile that has no row gets the version given; any other keeps its own.
    """
    changed = Counter(
        orders=await repository.save_orders(work, profile_ids, made),
        counts=await repository.save_counts(work, profile_ids, made),
        profiles=await repository.save_profiles(work, {one: (versions[one], found) for one, found in made.items()}),
    )
    changed["profiles"] += await repository.save_figures(work, made)
    return changed


async def mend_profiles(work: Work, after: UUID) -> tuple[UUID | None, int, Counter[str]]:
    """Mends the next profiles after an id.

    Returns the last of them (None at the end), how many they are, and the rows that were wrong.
    """
    ids = await repository.ids_after(work, after, limit=PROFILES)
    if not ids:
        return None, 0, Counter()
    await repository.lock(work, ids)
    # From here on no batch adds to these timelines, or merges one of these profiles.
    canonical = await aliases.canonical(work, ids)
    standing = [profile_id for profile_id in ids if canonical[profile_id] == profile_id]
    events, made = await fold_anew(work, standing)
    # One that the log created and no event speaks of can't be told from the record: it stays as it is.
    untold = await repository.created(work, [one for one in standing if one not in made])
    settled = [profile_id for profile_id in ids if profile_id not in untold]
    removed = await repository.remove(work, [one for one in settled if one not in made])
    # Each version that was published came with an event at least, and this one is not published: the next is above.
    changed = await save_anew(work, settled, made, {one: len(events[one]) + 1 for one in made})
    changed["profiles"] += removed
    return ids[-1], len(ids), changed
