"""SQL of the history that profile hands on: events in the lanes in which they were published, and those of before.

Every look is bounded: so many rows, found by an index, whatever is filtered out of them afterwards.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from shared.contracts import topics, wire
from shared.contracts.context import Context
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import Identity
from shared.database.database import Work
from shared.database.rows import Json, columns, rows_as
from shared.kafka.producer import key_place

PAGE_BYTES: Final = 4_000_000  # of bodies as they are stored

_decode_identities: Final = msgspec.json.Decoder(tuple[Identity, ...]).decode
_decode_context: Final = msgspec.json.Decoder(Context).decode


def partition_of(profile_id: UUID) -> int:
    """Returns the partition of `profile-events` and `profiles` in which a profile's records lie."""
    return key_place(profile_id.bytes, topics.PARTITIONS).partition


class StoredEvent(msgspec.Struct, kw_only=True):
    """An event of the timeline, or beside it, with whose it is now."""

    event_id: UUID
    profile_id: UUID
    type: str
    occurred_at: datetime
    received_at: datetime
    source_id: str
    source_kind: str
    historical: bool
    claim: bool
    identities: Json
    body: Json
    cause_id: UUID | None
    depth: int
    stated_at: datetime | None
    context: Json | None
    merges: bool
    source_version: int
    undated: bool
    space: str
    origin: int | None
    sequence: int | None


class StoredChange(msgspec.Struct, kw_only=True):
    """A profile as it stands."""

    id: UUID
    version: int
    state: Json
    orders: int
    spend_minor: Json
    first_order_at: datetime | None
    last_order_at: datetime | None


class StoredMerge(msgspec.Struct, kw_only=True):
    """Who stands for a profile that was merged."""

    profile_id: UUID
    canonical_id: UUID
    verified: bool


class _Found(msgspec.Struct, kw_only=True):
    source: str
    event_id: UUID
    size: int
    wanted: bool


class _Numbered(_Found, kw_only=True):
    sequence: int


class _Unnumbered(_Found, kw_only=True):
    profile_id: UUID
    partition: int | None


class _Dated(_Found, kw_only=True):
    occurred_at: datetime


_FoundRow = TypeVar("_FoundRow", bound=_Found)

_TABLES: Final = ("timeline", "reassignments")
_SIZE: Final = "pg_column_size(body) + coalesce(pg_column_size(context), 0)"
_WANTED: Final = "CAST(:types AS text[]) IS NULL OR type = ANY(CAST(:types AS text[]))"

# Of each partition apart, so that each is a walk along the index.
_NEXT_NUMBERED: Final = f"""
    (SELECT n.*
       FROM unnest(CAST(:partitions AS smallint[])) AS p(partition)
      CROSS JOIN LATERAL (
            SELECT '{{table}}' AS source, event_id, sequence, {_SIZE} AS size, {_WANTED} AS wanted
              FROM {{table}} t
             WHERE t.partition = p.partition AND origin = :origin AND sequence > :after AND sequence <= :upto
             ORDER BY sequence
             LIMIT :limit
            ) n)
    """

_NEXT_UNNUMBERED: Final = f"""
    (SELECT '{{table}}' AS source, event_id, profile_id, partition, {_SIZE} AS size, {_WANTED} AS wanted
       FROM {{table}}
      WHERE sequence IS NULL AND event_id > :after
      ORDER BY event_id
      LIMIT :limit)
    """


async def ends(work: Work) -> dict[int, int]:
    """Returns the last sequence of each origin. All events up to it are there for who reads afterwards."""
    rows = await work.rows("SELECT origin, next_sequence - 1 AS last FROM lanes WHERE next_sequence > 0")
    return {row.origin: row.last for row in rows}


async def numbered(
    work: Work,
    partitions: Collection[int],
    origin: int,
    *,
    after: int,
    upto: int,
    types: Collection[str] | None,
    limit: int,
) -> tuple[list[StoredEvent], int | None]:
    """Returns the next events of an origin in these partitions, in order; of these types, if any are given.

    Looks at `limit` events, or fewer that are `PAGE_BYTES`. Returns, too, the sequence of the last that it has looked
    at; None if there was none.
    """
    rows = await rows_as(
        work,
        _Numbered,
        " UNION ALL ".join(_NEXT_NUMBERED.format(table=table) for table in _TABLES) + " ORDER BY sequence LIMIT :limit",
        partitions=sorted(partitions),
        origin=origin,
        after=after,
        upto=upto,
        types=_names(types),
        limit=limit,
    )
    if not rows:
        return [], None
    rows = _fitting(rows)
    found = await _events(work, ((one.source, one.event_id) for one in rows if one.wanted))
    return sorted(found, key=lambda one: one.sequence or 0), rows[-1].sequence


async def unnumbered(
    work: Work, partitions: Collection[int], *, after: UUID, types: Collection[str] | None, limit: int
) -> tuple[list[StoredEvent], UUID | None]:
    """Returns the next events of these partitions from before sequences were kept, by id; of these types, if given.

    Looks at `limit` events of all partitions, or fewer that are `PAGE_BYTES`. Returns, too, the id of the last that it
    has looked at; None if there was none.
    """
    rows = await rows_as(
        work,
        _Unnumbered,
        " UNION ALL ".join(_NEXT_UNNUMBERED.format(table=table) for table in _TABLES)
        + " ORDER BY event_id LIMIT :limit",
        after=after,
        types=_names(types),
        limit=limit,
    )
    if not rows:
        return [], None
    for one in rows:
        one.wanted = one.wanted and _partition(one) in partitions
    rows = _fitting(rows)
    here = (one for one in rows if one.wanted)
    found = await _events(work, ((one.source, one.event_id) for one in here))
    return sorted(found, key=lambda one: one.event_id), rows[-1].event_id


async def ends_of(work: Work, partitions: Collection[int]) -> dict[int, dict[int, int]]:
    """Returns by partition, and there by origin, the last sequence. What is below is there for who reads afterwards."""
    rows = await work.rows(
        """
        SELECT p.partition, l.origin, e.last
          FROM unnest(CAST(:partitions AS smallint[])) AS p(partition)
         CROSS JOIN lanes l
         CROSS JOIN LATERAL (
               SELECT greatest(
                      (SELECT max(sequence) FROM timeline WHERE partition = p.partition AND origin = l.origin),
                      (SELECT max(sequence) FROM reassignments WHERE partition = p.partition AND origin = l.origin)
                      ) AS last
               ) e
         WHERE e.last IS NOT NULL
        """,
        partitions=sorted(partitions),
    )
    found: dict[int, dict[int, int]] = {partition: {} for partition in partitions}
    for row in rows:
        found[row.partition][row.origin] = row.last
    return found


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk along a customer's timeline has come."""

    occurred_at: datetime
    event_id: UUID


async def of_customer(
    work: Work, profile_id: UUID, *, after: Place | None, limit: int
) -> tuple[list[StoredEvent], Place | None]:
    """Returns the next events of a customer's timeline, by their moment, and where it goes on; None at its end."""
    rows = await rows_as(
        work,
        _Dated,
        f"""
        SELECT 'timeline' AS source, event_id, {_SIZE} AS size, TRUE AS wanted, occurred_at
          FROM timeline
         WHERE profile_id = :id
           AND (CAST(:at AS timestamptz) IS NULL OR (occurred_at, event_id) > (:at, CAST(:event AS uuid)))
         ORDER BY occurred_at, event_id
         LIMIT :limit
        """,
        id=profile_id,
        at=None if after is None else after.occurred_at,
        event=None if after is None else after.event_id,
        limit=limit,
    )
    if not rows:
        return [], None
    rows = _fitting(rows)
    found = await _events(work, ((one.source, one.event_id) for one in rows))
    return found, Place(occurred_at=rows[-1].occurred_at, event_id=rows[-1].event_id)


async def reassigned(work: Work, profile_ids: Collection[UUID]) -> list[StoredEvent]:
    """Returns the orders that moved from one of these ids or to one."""
    return await rows_as(
        work,
        StoredEvent,
        f"SELECT {columns(StoredEvent)} FROM reassignments WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(profile_ids),
    )


def _fitting(rows: Sequence[_FoundRow]) -> list[_FoundRow]:
    """Returns the first of these rows, as many as a page may hold; one at least."""
    kept: list[_FoundRow] = []
    size = 0
    for row in rows:
        size += row.size if row.wanted else 0
        if kept and size > PAGE_BYTES:
            break
        kept.append(row)
    return kept


def _partition(row: _Unnumbered) -> int:
    return partition_of(row.profile_id) if row.partition is None else row.partition


def _names(types: Collection[str] | None) -> list[str] | None:
    return None if types is None else sorted(types)


async def _events(work: Work, wanted: Iterable[tuple[str, UUID]]) -> list[StoredEvent]:
    by_table: dict[str, list[UUID]] = {}
    for table, event_id in wanted:
        by_table.setdefault(table, []).append(event_id)
    found: list[StoredEvent] = []
    for table, ids in by_table.items():
        found += await rows_as(
            work,
            StoredEvent,
            f"SELECT {columns(StoredEvent)} FROM {table} WHERE event_id = ANY(CAST(:ids AS uuid[]))",
            ids=ids,
        )
    return found


async def by_ids(work: Work, event_ids: Collection[UUID]) -> list[Event]:
    """Returns those of these events that are on a timeline."""
    return [event_of(row) for row in await _events(work, (("timeline", one) for one in sorted(event_ids)))]


def event_of(row: StoredEvent) -> Event:
    """Returns the event that a row keeps, as it was published, with whose it is now."""
    return Event(
        event_id=row.event_id,
        source_id=row.source_id,
        source_kind=SourceKind(row.source_kind),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        body=wire.decode_body(row.type, row.body),
        identities=_decode_identities(row.identities),
        historical=row.historical,
        unverified=row.claim,
        profile_id=row.profile_id,
        origin=row.origin,
        sequence=row.sequence,
        cause_id=row.cause_id,
        depth=row.depth,
        stated_at=row.stated_at,
        context=None if row.context is None else _decode_context(row.context),
        merges=row.merges,
        source_version=row.source_version,
        undated=row.undated,
        space=row.space,
    )


async def merges(work: Work, *, after: UUID, limit: int) -> list[StoredMerge]:
    """Returns the next merged profiles after an id, with who stands for each."""
    return await rows_as(
        work,
        StoredMerge,
        f"""
        SELECT {columns(StoredMerge)}
          FROM profile_aliases
         WHERE profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )


async def profiles(work: Work, *, after: UUID, limit: int) -> list[StoredChange]:
    """Returns the next profiles after an id."""
    return await rows_as(
        work,
        StoredChange,
        f"SELECT {columns(StoredChange)} FROM profiles WHERE id > :after ORDER BY id LIMIT :limit",
        after=after,
        limit=limit,
    )
