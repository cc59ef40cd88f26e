"""SQL on entries: what customers have entered journeys for."""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, unnest


class StoredEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What let a customer into a journey. Field names are column names; the key stands in the column `order_id`."""

    journey_id: str
    profile_id: UUID
    entry_key: str
    trigger_id: UUID
    entered_at: datetime


async def add(work: Work, made: Sequence[StoredEntry]) -> None:
    """Adds entries. The caller holds their customers."""
    await work.run(
        f"""
        INSERT INTO entries (journey_id, profile_id, order_id, trigger_id, entered_at)
        SELECT {columns(StoredEntry, "n")}
          FROM {unnest(StoredEntry, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(made, StoredEntry),
    )


async def existing(work: Work, keys: Collection[tuple[str, UUID, str]]) -> Set[tuple[str, UUID, str]]:
    """Returns which of these (journey, customer, key) have been entered."""
    ordered = sorted(keys)
    rows = await work.rows(
        """
        SELECT journey_id, profile_id, order_id AS entry_key
          FROM entries
          JOIN unnest(CAST(:journeys AS text[]), CAST(:profiles AS uuid[]), CAST(:keys AS text[]))
            AS n(journey_id, profile_id, order_id) USING (journey_id, profile_id, order_id)
        """,
        journeys=[journey_id for journey_id, _, _ in ordered],
        profiles=[profile_id for _, profile_id, _ in ordered],
        keys=[key for _, _, key in ordered],
    )
    return {(row.journey_id, row.profile_id, row.entry_key) for row in rows}


async def last(work: Work, wanted: Collection[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], datetime]:
    """Returns when each of these customers entered each of these journeys last, if ever."""
    ordered = sorted(wanted)
    rows = await work.rows(
        """
        SELECT e.journey_id, e.profile_id, max(e.entered_at) AS entered_at
          FROM entries e
          JOIN (SELECT DISTINCT * FROM unnest(CAST(:journeys AS text[]), CAST(:profiles AS uuid[]))
               ) AS n(journey_id, profile_id) USING (journey_id, profile_id)
         GROUP BY e.journey_id, e.profile_id
        """,
        journeys=[journey_id for journey_id, _ in ordered],
        profiles=[profile_id for _, profile_id in ordered],
    )
    return {(row.journey_id, row.profile_id): row.entered_at for row in rows}


async def follow_merges(work: Work, into: Mapping[UUID, UUID]) -> None:
    """Makes what merged customers entered for that of whom they were merged into, too."""
    gone = sorted(into)
    await work.run(
        """
        INSERT INTO entries (journey_id, profile_id, order_id, trigger_id, entered_at)
        SELECT e.journey_id, n.survivor, e.order_id, min(CAST(e.trigger_id AS text))::uuid, min(e.entered_at)
          FROM entries e
          JOIN unnest(CAST(:gone AS uuid[]), CAST(:survivors AS uuid[])) AS n(gone, survivor)
            ON n.gone = e.profile_id
         GROUP BY e.journey_id, n.survivor, e.order_id
         ORDER BY e.journey_id, n.survivor, e.order_id
            ON CONFLICT DO NOTHING
        """,
        gone=gone,
        survivors=[into[one] for one in gone],
    )
