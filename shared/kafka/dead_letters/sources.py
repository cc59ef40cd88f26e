"""Whose records are refused: counted by source and cause, and the sources that a reader takes nothing from any more.

A source is what ingest authenticated, or who else the record is from. What a record says of itself counts only where
somebody trusted wrote it: all others are one source, `UNKNOWN`, so that nobody becomes many by making up names.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.changes import CHANGES
from shared.contracts.envelope import Event, SourceKind
from shared.database.database import Work
from shared.database.sql import sql
from shared.kafka.consumer.offsets import Place

UNKNOWN: Final = "unknown"
OURS: Final = "rapport"  # what our services say of their own state: no sender's words are in it
MAX_SOURCE_CHARACTERS: Final = 256

_PREFIX: Final = b"/rapport/sources/"
_CHANGE_TYPES: Final = frozenset(name.encode() for name in CHANGES.values())


class Cause(StrEnum):
    """Why a record became a dead letter."""

    UNREADABLE = "unreadable"  # it is no event of this topic
    REFUSED = "refused"  # a handler, or PostgreSQL, refuses what it says
    FAULT = "fault"  # an error that nobody foresaw, with this record alone
    SET_ASIDE = "set_aside"  # a handler could not take it in, and nobody is to blame: it counts for nothing


class BlockedSource(msgspec.Struct, frozen=True):
    """A source whose records go to the dead letters unread; `refused` of them had it blocked."""

    source: str
    at: datetime
    cause: str
    reason: str
    refused: int


def source_of(event: Event) -> str:
    """Returns the source of an event that could be read."""
    if type(event.body) in CHANGES:
        return OURS
    return _named(event.source_id)


def source_in(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Returns the source of a record that could not be read, by its headers.

    Only an id as ingest writes it counts. Any other id is from nobody who is known.
    """
    by_name = dict(headers)
    if by_name.get("ce_type") in _CHANGE_TYPES and by_name.get("ce_sourcekind") == SourceKind.SERVICE.encode():
        return OURS
    source = by_name.get("ce_source") or b""
    try:
        return str(UUID(source.removeprefix(_PREFIX).decode())) if source.startswith(_PREFIX) else UNKNOWN
    except ValueError:
        return UNKNOWN


def _named(source_id: str) -> str:
    usable = 0 < len(source_id) <= MAX_SOURCE_CHARACTERS and source_id.isprintable() and source_id != OURS
    return source_id if usable else UNKNOWN


async def count_refusals(
    connection: AsyncConnection, place: Place, refused: Mapping[tuple[str, Cause], int], *, era: int
) -> None:
    """Adds to a partition's refusals by (source, cause). `era` numbers its windows: with each, old counts halve."""
    rows = sorted(refused.items())
    await connection.execute(
        sql(
            """
            INSERT INTO refusal_counts AS c (cluster_id, topic, generation, partition, source, cause, era, refused)
            SELECT :cluster_id, :topic, :generation, :partition, source, cause, :era, refused
            FROM unnest(CAST(:sources AS text[]), CAST(:causes AS text[]), CAST(:refused AS bigint[]))
                AS n(source, cause, refused)
            ON CONFLICT (cluster_id, topic, generation, partition, source, cause) DO UPDATE
            SET refused = (c.refused >> CAST(least(excluded.era - c.era, 62) AS integer)) + excluded.refused,
                era = excluded.era
            """
        ),
        {
            **place.key(),
            "era": era,
            "sources": [source for (source, _), _ in rows],
            "causes": [cause.value for (_, cause), _ in rows],
            "refused": [refused for _, refused in rows],
        },
    )


async def refusals(connection: AsyncConnection, place: Place, *, era: int) -> dict[tuple[str, Cause], int]:
    """Returns a partition's refusals by (source, cause), within about the last window."""
    rows = await connection.execute(
        sql(
            """
            SELECT source, cause, refused >> CAST(least(:era - era, 62) AS integer) AS refused FROM refusal_counts
            WHERE cluster_id = :cluster_id AND topic = :topic AND generation = :generation AND partition = :partition
            """
        ),
        {**place.key(), "era": era},
    )
    return {(row.source, Cause(row.cause)): row.refused for row in rows}


async def block(work: Work, blocked: Sequence[BlockedSource]) -> None:
    """Blocks sources in this reader, whichever partition their records come by; forgets what it counted of them."""
    ordered = sorted(blocked, key=lambda one: one.source)
    await work.run(
        """
        INSERT INTO blocked_sources (source, at, cause, reason, refused)
        SELECT source, :now, cause, reason, refused FROM unnest(CAST(:sources AS text[]), CAST(:causes AS text[]),
            CAST(:reasons AS text[]), CAST(:refused AS bigint[])) AS n(source, cause, reason, refused)
        ON CONFLICT (source) DO NOTHING
        """,
        now=work.now,
        sources=[one.source for one in ordered],
        causes=[one.cause for one in ordered],
        reasons=[one.reason for one in ordered],
        refused=[one.refused for one in ordered],
    )


async def forget_refusals(connection: AsyncConnection, place: Place, sources: Iterable[str]) -> None:
    """Forgets what a partition counted of these sources."""
    await connection.execute(
        sql(
            """
            DELETE FROM refusal_counts WHERE cluster_id = :cluster_id AND topic = :topic
            AND generation = :generation AND partition = :partition AND source = ANY(CAST(:sources AS text[]))
            """
        ),
        {**place.key(), "sources": sorted(sources)},
    )


async def unblock(work: Work, source: str) -> bool:
    """Takes a source's records in again, from now on, and counts its refusals anew; False if it was not blocked."""
    await work.run("DELETE FROM refusal_counts WHERE source = :source", source=source)
    return bool(await work.run("DELETE FROM blocked_sources WHERE source = :source", source=source))


async def blocked_sources(work: Work) -> list[BlockedSource]:
    """Returns the sources that this reader has blocked, in order."""
    rows = await work.rows("SELECT source, at, cause, reason, refused FROM blocked_sources ORDER BY source")
    return [BlockedSource(*row) for row in rows]
