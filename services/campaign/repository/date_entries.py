"""SQL on the days of customers' lives that set journeys off."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, rows_as, unnest


class StoredDate(msgspec.Struct, frozen=True, kw_only=True):
    """When a fact of a customer's sets a journey off next. Field names are column names."""

    journey_id: str
    profile_id: UUID
    kind: str
    label: str
    due_at: datetime


async def replace(
    work: Work, profile_ids: Iterable[UUID], journeys: Iterable[str], dates: Sequence[StoredDate]
) -> None:
    """Writes when these customers are due for these journeys. What is due already stays: it is to happen yet."""
    await work.run(
        """
        DELETE FROM date_entries
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND journey_id = ANY(CAST(:journeys AS text[]))
           AND due_at > :now
        """,
        ids=sorted(set(profile_ids)),
        journeys=sorted(set(journeys)),
        now=work.now,
    )
    await add(work, dates)


async def add(work: Work, dates: Sequence[StoredDate]) -> None:
    """Adds due days of facts that have none."""
    ordered = sorted(dates, key=lambda one: (one.journey_id, one.profile_id, one.kind, one.label))
    await work.run(
        f"""
        INSERT INTO date_entries ({columns(StoredDate)})
        SELECT {columns(StoredDate, "n")}
          FROM {unnest(StoredDate, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(ordered, StoredDate),
    )


async def take_due(work: Work, until: datetime, *, limit: int) -> Sequence[StoredDate]:
    """Removes and returns days that have come and that nobody else holds, the longest waiting first."""
    return await rows_as(
        work,
        StoredDate,
        f"""
        DELETE FROM date_entries
         WHERE ctid = ANY(ARRAY(
               SELECT ctid
                 FROM date_entries
                WHERE due_at <= :until
                ORDER BY due_at
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED))
        RETURNING {columns(StoredDate)}
        """,
        until=until,
        limit=limit,
    )


async def unfinished(work: Work, wanted: Sequence[tuple[str, int]]) -> tuple[str, int, UUID | None] | None:
    """Returns one of these versions of journeys by which not everybody was looked at yet, and up to whom; held.

    Returns None if there is none that nobody else holds.
    """
    await work.run(
        """
        INSERT INTO date_backfills (journey_id, version)
        SELECT * FROM unnest(CAST(:journeys AS text[]), CAST(:versions AS int[]))
            ON CONFLICT DO NOTHING
        """,
        journeys=[journey_id for journey_id, _ in wanted],
        versions=[version for _, version in wanted],
    )
    row = await work.row(
        """
        SELECT b.journey_id, b.version, b.looked_at_to
          FROM date_backfills b
          JOIN unnest(CAST(:journeys AS text[]), CAST(:versions AS int[])) AS n(journey_id, version)
            ON n.journey_id = b.journey_id AND n.version = b.version
         WHERE NOT b.done
         ORDER BY b.journey_id
         LIMIT 1
           FOR UPDATE OF b SKIP LOCKED
        """,
        journeys=[journey_id for journey_id, _ in wanted],
        versions=[version for _, version in wanted],
    )
    return None if row is None else (row.journey_id, row.version, row.looked_at_to)


async def note_looked_at(work: Work, journey_id: str, version: int, to: UUID | None) -> None:
    """Notes up to whom customers were looked at; None: all were."""
    await work.run(
        """
        UPDATE date_backfills
           SET looked_at_to = coalesce(CAST(:to AS uuid), looked_at_to), done = CAST(:to AS uuid) IS NULL
         WHERE journey_id = :journey_id AND version = :version
        """,
        journey_id=journey_id,
        version=version,
        to=to,
    )


async def with_facts(work: Work, after: UUID | None, *, limit: int) -> Sequence[UUID]:
    """Returns the next customers, by id, of whom dated facts are known."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM contacts
         WHERE facts <> '[]' AND (CAST(:after AS uuid) IS NULL OR profile_id > :after)
         ORDER BY profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]
