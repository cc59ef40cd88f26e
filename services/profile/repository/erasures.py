"""SQL of erasures: deleting all that is kept of a customer, and remembering for ever that they are gone."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.profile.domain.parting import Name
from shared.database.database import Work
from shared.database.rows import rows_as

# Every table that has rows of a customer, by the column that says of whom, but for the identity log and the timeline.
TABLES: Final = {
    "profiles": "id",
    "orders": "profile_id",
    "order_owners": "profile_id",
    "order_marks": "profile_id",
    "payment_refs": "profile_id",
    "counts": "profile_id",
    "reassignments": "profile_id",
    "identities": "profile_id",
}


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure that was made: under which id the customer was known last, when, and how many events went."""

    canonical_id: UUID
    erased_at: datetime
    events: int


async def find(work: Work, profile_id: UUID) -> Erased | None:
    """Returns the erasure of who had this id, if there was one."""
    found = await rows_as(
        work,
        Erased,
        "SELECT canonical_id, erased_at, events FROM erasures WHERE profile_id = :id",
        id=profile_id,
    )
    return found[0] if found else None


async def names(work: Work, profile_ids: Collection[UUID]) -> list[Name]:
    """Returns the identities that these profiles own."""
    rows = await work.rows(
        "SELECT namespace, value FROM identities WHERE profile_id = ANY(CAST(:ids AS uuid[])) ORDER BY 1, 2",
        ids=sorted(profile_ids),
    )
    return [(row.namespace, row.value) for row in rows]


async def erase(work: Work, canonical_id: UUID, profile_ids: Collection[UUID], named: Collection[Name]) -> int:
    """Deletes every row of a locked customer, who has had these ids and names, and notes the ids. Returns how many
    events they had.

    What stays names nobody: in the identity log that there was a profile and what it was merged with, the ids of
    events, and of each event of somebody else that had to do with them the id of the profile.
    """
    ids = sorted(profile_ids)
    events = await work.run(
        """
        WITH gone AS (
             DELETE FROM timeline
              WHERE profile_id = ANY(CAST(:ids AS uuid[]))
          RETURNING event_id
             )
        INSERT INTO erased_events (event_id)
        SELECT event_id
          FROM gone
         ORDER BY event_id
            ON CONFLICT (event_id) DO NOTHING
        """,
        ids=ids,
    )
    for table, column in TABLES.items():
        await work.run(f"DELETE FROM {table} WHERE {column} = ANY(CAST(:ids AS uuid[]))", ids=ids)
    await work.run(
        "DELETE FROM identity_log WHERE namespace IS NOT NULL AND profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids
    )
    # Who had a name before a split moved it, and whoever was merged into them, would seem to have it again.
    await work.run(
        """
        WITH RECURSIVE related (id) AS (
             SELECT s.profile_id
               FROM identity_log s
              WHERE s.kind = 'split'
                AND s.other_id = ANY(CAST(:ids AS uuid[]))
              UNION
             SELECT x.id
               FROM related r
              CROSS JOIN LATERAL (
                    SELECT s.profile_id FROM identity_log s WHERE s.kind = 'split' AND s.other_id = r.id
                     UNION ALL
                    SELECT m.other_id FROM identity_log m WHERE m.kind = 'merge' AND m.profile_id = r.id
                    ) AS x (id)
             )
        DELETE FROM identity_log g
         USING unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS n (namespace, value), related
         WHERE g.profile_id = related.id
           AND g.kind IN ('link', 'alias')
           AND g.namespace = n.namespace
           AND g.value = n.value
        """,
        namespaces=[namespace for namespace, _ in named],
        values=[value for _, value in named],
        ids=ids,
    )
    # An operator's own words on why two were parted may name them.
    await work.run(
        """
        UPDATE identity_log
           SET reason = ''
         WHERE kind IN ('split', 'lift')
           AND (profile_id = ANY(CAST(:ids AS uuid[])) OR other_id = ANY(CAST(:ids AS uuid[])))
        """,
        ids=ids,
    )
    await work.run(
        """
        INSERT INTO erasures (profile_id, canonical_id, erased_at, events)
        SELECT id, :canonical, :now, :events
          FROM unnest(CAST(:ids AS uuid[])) AS n(id)
            ON CONFLICT (profile_id) DO NOTHING
        """,
        ids=ids,
        canonical=canonical_id,
        now=work.now,
        events=events,
    )
    return events
