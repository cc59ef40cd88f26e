"""SQL on memberships: who is in which segment, as segment tells."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, unnest


class StoredMembership(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a customer is a member of a segment. Field names are column names."""

    segment_id: str
    profile_id: UUID
    version: int
    segment_version: int
    member: bool


async def upsert(work: Work, found: Sequence[StoredMembership]) -> Collection[tuple[str, UUID, int]]:
    """Keeps each that is newer than what is here, one a segment and customer. Returns (segment, customer, version) of
    those.
    """
    ordered = sorted(found, key=lambda one: (one.segment_id, one.profile_id))
    rows = await work.rows(
        f"""
        INSERT INTO memberships ({columns(StoredMembership)})
        SELECT {columns(StoredMembership, "n")}
          FROM {unnest(StoredMembership, "n")}
         WHERE NOT EXISTS (SELECT 1 FROM profile_aliases a WHERE a.profile_id = n.profile_id)
            ON CONFLICT (segment_id, profile_id)
            DO UPDATE SET version = excluded.version, segment_version = excluded.segment_version,
                          member = excluded.member
         WHERE memberships.version < excluded.version
        RETURNING segment_id, profile_id, version
        """,
        **arrays(ordered, StoredMembership),
    )
    return {(row.segment_id, row.profile_id, row.version) for row in rows}


async def known(work: Work, profile_ids: Iterable[UUID]) -> Mapping[tuple[str, UUID], int]:
    """Returns the version of each membership that is kept of these customers, members or not."""
    rows = await work.rows(
        """
        SELECT segment_id, profile_id, version
          FROM memberships
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=sorted(set(profile_ids)),
    )
    return {(row.segment_id, row.profile_id): row.version for row in rows}


async def of_customers(work: Work, profile_ids: Iterable[UUID]) -> Mapping[UUID, frozenset[str]]:
    """Returns the segments of which each of these customers is a member."""
    rows = await work.rows(
        """
        SELECT profile_id, array_agg(segment_id) AS segments
          FROM memberships
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND member
         GROUP BY profile_id
        """,
        ids=sorted(set(profile_ids)),
    )
    return {row.profile_id: frozenset(row.segments) for row in rows}
