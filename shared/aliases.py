"""Merged profiles: every reader keeps, for ever, which id stands for which, and resolves ids through it."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from shared.db import Work

MERGE_LOCK: Final = 0x4D65_7267  # any number that nobody else locks


async def canonical(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """For each id, the id that stands for it now; an id that was never merged stands for itself."""
    wanted = sorted(set(profile_ids))
    rows = await work.rows(
        "SELECT profile_id, canonical_id FROM profile_aliases WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=wanted
    )
    found = {row.profile_id: row.canonical_id for row in rows}
    return {profile_id: found.get(profile_id, profile_id) for profile_id in wanted}


async def names(work: Work, profile_id: UUID) -> list[UUID]:
    """Every id that means the same customer as `profile_id`, the canonical one first."""
    root = (await canonical(work, [profile_id]))[profile_id]
    rows = await work.rows("SELECT profile_id FROM profile_aliases WHERE canonical_id = :root", root=root)
    return [root, *sorted(row.profile_id for row in rows)]


async def lock_merges(work: Work) -> None:
    """Makes merges follow one another until the transaction ends: of two at once, each could miss the other's half.

    A caller that locks rows, too, takes this first.
    """
    await work.run("SELECT pg_advisory_xact_lock(:lock)", lock=MERGE_LOCK)


async def note_merge(work: Work, *, loser: UUID, survivor: UUID) -> UUID:
    """Makes `survivor`'s canonical id stand for `loser` and all it stood for; returns that canonical id.

    Idempotent; merges may be noted in any order.
    """
    await lock_merges(work)
    ids = await canonical(work, (loser, survivor))
    root, gone = ids[survivor], ids[loser]
    if root == gone:
        return root
    await work.run("UPDATE profile_aliases SET canonical_id = :root WHERE canonical_id = :gone", root=root, gone=gone)
    await work.run(
        "INSERT INTO profile_aliases (profile_id, canonical_id) VALUES (:gone, :root) "
        "ON CONFLICT (profile_id) DO UPDATE SET canonical_id = excluded.canonical_id",
        gone=gone,
        root=root,
    )
    return root
