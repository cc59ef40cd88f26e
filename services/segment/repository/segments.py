"""SQL on segments and their versions: definitions, what is in force, and how far the base was looked at by it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import msgspec

from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as


class SegmentRow(msgspec.Struct, kw_only=True):
    """A segment, as stored."""

    id: str
    revision: int
    state: str
    name: str
    description: str
    draft: Json
    live_version: int | None
    author: str
    created_at: datetime
    changed_at: datetime


class VersionRow(msgspec.Struct, kw_only=True):
    """A published version of a segment, as stored."""

    segment_id: str
    version: int
    name: str
    condition: Json
    author: str
    effective_at: datetime
    backfilled_to: UUID | None
    backfilled_at: datetime | None
    looked_at: int


class BackfillRow(msgspec.Struct, kw_only=True):
    """A version in force by which the base is still being looked at."""

    segment_id: str
    version: int
    backfilled_to: UUID | None


class EndingRow(msgspec.Struct, kw_only=True):
    """A segment that was archived, and whose members are still being told to have left."""

    id: str
    name: str
    live_version: int
    changed_at: datetime
    ended_to: UUID | None


async def ending(work: Work) -> EndingRow | None:
    """Locks the segment that was archived first of those that have not ended, if nobody else is at it."""
    return await row_as(
        work,
        EndingRow,
        f"""
        SELECT {columns(EndingRow)}
          FROM segments
         WHERE state = 'archived' AND ended_at IS NULL AND live_version IS NOT NULL
         ORDER BY changed_at, id
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
    )


async def all_ending(work: Work) -> list[str]:
    """Returns the ids of all segments that were archived and have not ended."""
    rows = await work.rows("SELECT id FROM segments WHERE state = 'archived' AND ended_at IS NULL")
    return [row.id for row in rows]


async def advance_ending(work: Work, segment_id: str, *, upto: UUID | None, done: bool) -> None:
    """Notes up to which member a segment has ended, and whether that was all."""
    await work.run(
        """
        UPDATE segments
           SET ended_to = coalesce(CAST(:upto AS uuid), ended_to),
               ended_at = CASE WHEN :done THEN CAST(:now AS timestamptz) END
         WHERE id = :id
        """,
        id=segment_id,
        upto=upto,
        done=done,
        now=work.now,
    )


async def every(
    work: Work, *, state: str | None = None, after: str | None = None, limit: int | None = None
) -> Sequence[SegmentRow]:
    """Returns segments by id: those in a state, or all; a page of them after an id."""
    return await rows_as(
        work,
        SegmentRow,
        f"""
        SELECT {columns(SegmentRow)}
          FROM segments
         WHERE (CAST(:state AS text) IS NULL OR state = :state) AND (CAST(:after AS text) IS NULL OR id > :after)
         ORDER BY id
         LIMIT :limit
        """,
        state=state,
        after=after,
        limit=limit,
    )


async def one(work: Work, segment_id: str, *, lock: bool = False) -> SegmentRow | None:
    """Returns a segment, locked if asked."""
    return await row_as(
        work,
        SegmentRow,
        f"SELECT {columns(SegmentRow)} FROM segments WHERE id = :id{' FOR UPDATE' if lock else ''}",
        id=segment_id,
    )


async def add(work: Work, row: SegmentRow) -> bool:
    """Adds a segment. Returns whether its id was free."""
    names = SegmentRow.__struct_fields__
    values = ", ".join(f"CAST(:{name} AS jsonb)" if name == "draft" else f":{name}" for name in names)
    added = await work.run(
        f"INSERT INTO segments ({', '.join(names)}) VALUES ({values}) ON CONFLICT (id) DO NOTHING",
        **msgspec.structs.asdict(row),
    )
    return added > 0


async def save(work: Work, row: SegmentRow) -> None:
    """Stores a segment that was locked."""
    await work.run(
        """
        UPDATE segments
           SET revision = :revision, state = :state, name = :name, description = :description,
               draft = CAST(:draft AS jsonb), live_version = :live_version, author = :author, changed_at = :changed_at
         WHERE id = :id
        """,
        **{name: value for name, value in msgspec.structs.asdict(row).items() if name != "created_at"},
    )


async def remove(work: Work, segment_id: str) -> None:
    """Deletes a segment that was never published."""
    await work.run("DELETE FROM segments WHERE id = :id", id=segment_id)


async def versions(work: Work, segment_id: str) -> Sequence[VersionRow]:
    """Returns the versions of a segment, newest first."""
    return await rows_as(
        work,
        VersionRow,
        f"SELECT {columns(VersionRow)} FROM segment_versions WHERE segment_id = :id ORDER BY version DESC",
        id=segment_id,
    )


async def publish(work: Work, row: VersionRow) -> None:
    """Adds a version."""
    names = VersionRow.__struct_fields__
    values = ", ".join(f"CAST(:{name} AS jsonb)" if name == "condition" else f":{name}" for name in names)
    await work.run(
        f"INSERT INTO segment_versions ({', '.join(names)}) VALUES ({values})", **msgspec.structs.asdict(row)
    )


async def in_force(work: Work) -> Sequence[VersionRow]:
    """Returns the versions in force of all live segments."""
    return await rows_as(
        work,
        VersionRow,
        f"""
        SELECT {columns(VersionRow, "v")}
          FROM segments s
          JOIN segment_versions v ON v.segment_id = s.id AND v.version = s.live_version
         WHERE s.state = 'live'
         ORDER BY s.id
        """,
    )


async def revision(work: Work) -> UUID:
    """Returns what changes with every change of what is in force."""
    row = await work.row("SELECT revision FROM definitions_revision")
    assert row is not None
    found: UUID = row.revision
    return found


async def revise(work: Work) -> None:
    """Makes every process read anew what is in force."""
    await work.run("UPDATE definitions_revision SET revision = :revision", revision=uuid4())


async def backfills(work: Work) -> Sequence[BackfillRow]:
    """Returns the versions in force by which the base is still being looked at, the oldest first."""
    return await rows_as(
        work,
        BackfillRow,
        f"""
        SELECT {columns(BackfillRow, "v")}
          FROM segments s
          JOIN segment_versions v ON v.segment_id = s.id AND v.version = s.live_version
         WHERE s.state = 'live' AND v.backfilled_at IS NULL
         ORDER BY v.effective_at, v.segment_id
        """,
    )


async def claim_backfill(work: Work) -> BackfillRow | None:
    """Locks the oldest version by which the base is still being looked at, and by which nobody else is looking."""
    return await row_as(
        work,
        BackfillRow,
        f"""
        SELECT {columns(BackfillRow, "v")}
          FROM segments s
          JOIN segment_versions v ON v.segment_id = s.id AND v.version = s.live_version
         WHERE s.state = 'live' AND v.backfilled_at IS NULL
         ORDER BY v.effective_at, v.segment_id
         LIMIT 1
           FOR UPDATE OF v SKIP LOCKED
        """,
    )


async def advance_backfill(
    work: Work, segment_id: str, version: int, *, upto: UUID | None, looked_at: int, done: bool
) -> None:
    """Notes how far the base was looked at by a version."""
    await work.run(
        """
        UPDATE segment_versions
           SET backfilled_to = coalesce(:upto, backfilled_to), looked_at = looked_at + :looked_at,
               backfilled_at = CASE WHEN :done THEN CAST(:now AS timestamptz) END
         WHERE segment_id = :id AND version = :version
        """,
        id=segment_id,
        version=version,
        upto=upto,
        looked_at=looked_at,
        done=done,
        now=work.now,
    )
