"""Merged profiles: every reader keeps, for ever, which id stands for which, and resolves ids through it."""

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from shared.contracts.identity import canonical_id, way
from shared.database.database import Work

MERGE_LOCK: Final = 0x4D65_7267  # any number that nobody else locks


class Merge(NamedTuple):
    """A profile that was merged into another. `verified` as in `ProfileMerged`."""

    loser: UUID
    survivor: UUID
    verified: bool = False


async def canonical(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Returns for each id the id that stands for it now; an id that was never merged stands for itself."""
    wanted = sorted(set(profile_ids))
    rows = await work.rows(
        "SELECT profile_id, canonical_id FROM profile_aliases WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=wanted
    )
    found = {row.profile_id: row.canonical_id for row in rows}
    return {profile_id: found.get(profile_id, profile_id) for profile_id in wanted}


async def names(work: Work, profile_id: UUID) -> list[UUID]:
    """Returns every id that means the same customer as `profile_id`, the canonical one first."""
    root = (await canonical(work, [profile_id]))[profile_id]
    rows = await work.rows("SELECT profile_id FROM profile_aliases WHERE canonical_id = :root", root=root)
    return [root, *sorted(row.profile_id for row in rows)]


async def opens(work: Work, subject: UUID, profile_id: UUID) -> bool:
    """Returns whether a customer's token for `subject` opens `profile_id`, both under any id they ever had.

    A former id opens the customer only where a trusted source made it one: what a public key says is no key.
    """
    row = await work.row(
        """
        SELECT coalesce(s.canonical_id, :subject) = coalesce(p.canonical_id, :profile_id)
               AND coalesce(s.verified, true) AS opens
          FROM (SELECT 1) AS one
          LEFT JOIN profile_aliases s ON s.profile_id = :subject
          LEFT JOIN profile_aliases p ON p.profile_id = :profile_id
        """,
        subject=subject,
        profile_id=profile_id,
    )
    assert row is not None
    return bool(row.opens)


async def lock_merges(work: Work, *, shared: bool = False) -> None:
    """Makes merges follow one another until the transaction ends: of two at once, each could miss the other's half.

    `shared`: no merge is noted meanwhile, though others may look, too. For who writes under an id that must not have
    been merged away. A caller that locks rows takes this first, or two that wait for each other are a deadlock.
    """
    kind = "_shared" if shared else ""
    # Of this schema: a rebuild in its own must not hold up the running service, nor wait for it.
    await work.run(
        f"SELECT pg_advisory_xact_lock{kind}(CAST(:lock AS int), hashtext(current_schema()))", lock=MERGE_LOCK
    )


async def note_merges(work: Work, merges: Iterable[Merge]) -> dict[UUID, UUID]:
    """Makes each merge's survivor stand for the loser and all it stood for, in a few statements for all.

    Returns, for each id that stood for itself and does no more, the one that stands for it now. Idempotent; merges
    may be noted in any order. A former id is verified if each merge on the way from it is. The caller holds
    `lock_merges`.
    """
    noted = list(merges)
    ids = await canonical(work, {one for merge in noted for one in (merge.loser, merge.survivor)})
    into: dict[UUID, UUID] = {}
    verified: dict[UUID, bool] = {}
    on_the_way = await _verified(work, [merge.survivor for merge in noted])
    for loser, survivor, vouched in noted:
        gone, root = canonical_id(into, ids[loser]), canonical_id(into, ids[survivor])
        if gone != root:
            into[gone] = root
            further = all(verified[one] for one in way(into, ids[survivor]) if one != gone)
            verified[gone] = vouched and further and on_the_way.get(survivor, True)
    moved = {gone: canonical_id(into, gone) for gone in sorted(into)}
    if moved:
        names = {
            "gone": list(moved),
            "roots": list(moved.values()),
            "verified": [all(verified[one] for one in way(into, gone)) for gone in moved],
        }
        await work.run(
            """
            UPDATE profile_aliases a SET canonical_id = m.root, verified = a.verified AND m.verified
              FROM unnest(CAST(:gone AS uuid[]), CAST(:roots AS uuid[]), CAST(:verified AS boolean[]))
                   AS m(gone, root, verified)
             WHERE a.canonical_id = m.gone
            """,
            **names,
        )
        await work.run(
            """
            INSERT INTO profile_aliases (profile_id, canonical_id, verified)
            SELECT * FROM unnest(CAST(:gone AS uuid[]), CAST(:roots AS uuid[]), CAST(:verified AS boolean[]))
                ON CONFLICT (profile_id) DO UPDATE
               SET canonical_id = excluded.canonical_id, verified = excluded.verified
            """,
            **names,
        )
    return moved


async def forget(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Makes these ids stand for themselves again: they were parted. The caller holds `lock_merges`."""
    await work.run(
        "DELETE FROM profile_aliases WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=sorted(set(profile_ids))
    )


async def _verified(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, bool]:
    rows = await work.rows(
        "SELECT profile_id, verified FROM profile_aliases WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {row.profile_id: row.verified for row in rows}
