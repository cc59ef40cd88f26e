"""Lifting a split: the two stay two, and evidence may make them one again."""

from uuid import UUID

from services.profile.repository import identity, splits
from services.profile.service import rebuild as rebuilding
from shared import audit
from shared.audit import Actor
from shared.database import aliases
from shared.database.database import Work
from shared.errors import NotFound, Unavailable


class UnknownSplit(NotFound):
    """There was no such split."""


async def lift(work: Work, split_id: UUID, by: Actor, *, reason: str) -> None:
    """Has a split keep nobody apart any more. Lifted again, it changes nothing.

    Nobody is merged by it: the next event that states that they are one does that. Raises `UnknownSplit`, and
    `Unavailable` if one of the two changed meanwhile.
    """
    found = await splits.find(work, split_id)
    if found is None:
        raise UnknownSplit(f"no split {split_id}: `POST /v1/profiles/{{ref}}/split` returned the id")
    made, lifted = found
    if lifted:
        return
    both = sorted(set((await aliases.canonical(work, (made.kept, made.separated))).values()))
    standing = await identity.lock_profiles(work, both)
    await aliases.lock_merges(work)
    if both != sorted(set((await aliases.canonical(work, (made.kept, made.separated))).values())):
        raise Unavailable("one of the two was merged at this moment: try again", headers={"Retry-After": "1"})
    await splits.write_lift(work, made, reason=reason)
    roots = sorted(standing)
    _, folded = await rebuilding.fold_anew(work, roots)
    await rebuilding.save_anew(work, roots, folded, {one: standing[one].version for one in roots})
    await audit.record(work, by, "profile.split_lifted", "profile", made.kept, {"split": str(split_id)})
