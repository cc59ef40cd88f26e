"""SQL on imports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.database.database import Work

_COLUMNS = (
    "i.id, i.source_id, s.name AS source, i.name, i.content_hash, i.bytes, i.options, i.state, i.next_row, i.events, "
    "i.refused, i.error, i.uploaded, i.interrupted, i.created_by, i.created_at, "
    "i.changed_at"
)
_FROM = f"SELECT {_COLUMNS} FROM imports i JOIN sources s ON s.id = i.source_id "

Row = Mapping[str, Any]


async def insert(
    work: Work,
    import_id: UUID,
    source_id: UUID,
    *,
    name: str,
    content_hash: bytes,
    size: int,
    options: Any,
    state: str,
    by: str,
) -> None:
    """Stores an import; one that is there stays as it is."""
    await work.run(
        "INSERT INTO imports (id, source_id, name, content_hash, bytes, options, state, created_by, created_at, "
        "changed_at) VALUES (:id, :source_id, :name, :content_hash, :size, CAST(:options AS jsonb), :state, :by, "
        ":now, :now) ON CONFLICT (id) DO NOTHING",
        id=import_id,
        source_id=source_id,
        name=name,
        content_hash=content_hash,
        size=size,
        options=msgspec.json.encode(options).decode(),
        state=state,
        by=by,
        now=work.now,
    )


async def one(work: Work, import_id: UUID) -> Row | None:
    """Returns one import."""
    row = await work.row(f"{_FROM} WHERE i.id = :id", id=import_id)
    return None if row is None else row._mapping


async def page(work: Work, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Row]:
    """Returns imports, newest first, after a position."""
    created_at, last_id = after or (None, None)
    rows = await work.rows(
        f"{_FROM} WHERE CAST(:created_at AS timestamptz) IS NULL "
        "OR (i.created_at, i.id) < (:created_at, CAST(:last_id AS uuid)) "
        "ORDER BY i.created_at DESC, i.id DESC LIMIT :limit",
        created_at=created_at,
        last_id=last_id,
        limit=limit,
    )
    return [row._mapping for row in rows]


async def claim(work: Work, holder: UUID, *, until: datetime) -> Row | None:
    """Holds the oldest uploaded import that nobody works on, and returns it.

    One that another process holds, and has not renewed, was interrupted.
    """
    row = await work.row(
        """
        UPDATE imports
           SET interrupted = interrupted + CASE WHEN state = 'running' AND holder <> :holder THEN 1 ELSE 0 END,
               state = 'running', holder = :holder, held_until = :until, changed_at = :now
         WHERE id = (SELECT id
                       FROM imports
                      WHERE uploaded AND (state = 'waiting' OR (state = 'running' AND held_until < :now))
                      ORDER BY created_at
                      LIMIT 1
                        FOR UPDATE SKIP LOCKED)
     RETURNING id
        """,
        holder=holder,
        until=until,
        now=work.now,
    )
    return None if row is None else await one(work, row.id)


async def let_go(work: Work, import_id: UUID, holder: UUID, *, until: datetime | None) -> None:
    """Notes that this process, which goes on, works on an import no more; others may from `until` on, or at once."""
    await work.run(
        """
        UPDATE imports
           SET holder = NULL, held_until = COALESCE(CAST(:until AS timestamptz), held_until)
         WHERE id = :id AND holder = :holder
        """,
        id=import_id,
        holder=holder,
        until=until,
    )


async def hold(work: Work, import_id: UUID, holder: UUID, *, until: datetime) -> bool:
    """Holds an import, unless somebody else does. Returns whether it does."""
    changed = await work.run(
        """
        UPDATE imports
           SET state = 'running', holder = :holder, held_until = :until, error = NULL, changed_at = :now
         WHERE id = :id
           AND (state = 'waiting'
                OR (state = 'failed' AND NOT uploaded)
                OR (state = 'running' AND (holder IS NULL OR holder = :holder OR held_until < :now)))
        """,
        id=import_id,
        holder=holder,
        until=until,
        now=work.now,
    )
    return changed == 1


async def advance(
    work: Work, import_id: UUID, holder: UUID, *, until: datetime, next_row: int, events: int, refused: int
) -> bool:
    """Notes that a batch is done. Returns False if somebody else works on this import."""
    changed = await work.run(
        """
        UPDATE imports
           SET next_row = :next_row, events = events + :events, refused = refused + :refused, interrupted = 0,
               held_until = :until, changed_at = :now
         WHERE id = :id AND holder = :holder AND state = 'running' AND next_row < :next_row
        """,
        id=import_id,
        holder=holder,
        until=until,
        next_row=next_row,
        events=events,
        refused=refused,
        now=work.now,
    )
    return changed == 1


async def end(work: Work, import_id: UUID, holder: UUID, *, state: str, error: str | None) -> None:
    """Ends an import that this process holds."""
    await work.run(
        "UPDATE imports SET state = :state, error = :error, holder = NULL, held_until = NULL, changed_at = :now "
        "WHERE id = :id AND holder = :holder",
        id=import_id,
        holder=holder,
        state=state,
        error=error,
        now=work.now,
    )


async def add_rejects(work: Work, import_id: UUID, rows: Sequence[Row]) -> None:
    """Keeps refused rows."""
    await work.run(
        "INSERT INTO import_rejects (import_id, row, reason_code, reason, raw) SELECT :import_id, t.* FROM unnest("
        "CAST(:rows AS bigint[]), CAST(:codes AS text[]), CAST(:reasons AS text[]), CAST(:raws AS bytea[])) AS t "
        "ON CONFLICT DO NOTHING",
        import_id=import_id,
        rows=[row["row"] for row in rows],
        codes=[row["reason_code"] for row in rows],
        reasons=[row["reason"].replace("\0", "\\0") for row in rows],
        raws=[row["raw"] for row in rows],
    )


async def rejects(work: Work, import_id: UUID, *, after: int, limit: int) -> Sequence[Row]:
    """Returns refused rows, in the file's order, after a row."""
    rows = await work.rows(
        "SELECT row, reason_code, reason, raw FROM import_rejects WHERE import_id = :id AND row > :after "
        "ORDER BY row LIMIT :limit",
        id=import_id,
        after=after,
        limit=limit,
    )
    return [row._mapping for row in rows]


# Uploaded files


async def add_chunk(work: Work, import_id: UUID, number: int, content: bytes) -> bool:
    """Keeps a part of a file. Returns False if the import accepts no parts any more."""
    added = await work.run(
        """
        INSERT INTO import_chunks (import_id, number, content)
        SELECT id, CAST(:number AS int), CAST(:content AS bytea)
          FROM imports
         WHERE id = :id AND state = 'uploading'
           FOR SHARE
            ON CONFLICT (import_id, number) DO UPDATE SET content = excluded.content
        """,
        id=import_id,
        number=number,
        content=content,
    )
    return added == 1


async def chunk_digests(work: Work, import_id: UUID) -> list[bytes]:
    """Returns the SHA-256 of each part that is kept of a file, in their order; no part changes until this commits."""
    await work.row("SELECT 1 FROM imports WHERE id = :id FOR UPDATE", id=import_id)
    rows = await work.rows(
        "SELECT sha256(content) AS digest FROM import_chunks WHERE import_id = :id ORDER BY number", id=import_id
    )
    return [bytes(row.digest) for row in rows]


async def uploaded(work: Work, import_id: UUID, *, content_hash: bytes, size: int) -> None:
    """Notes that a file is whole."""
    await work.run(
        "UPDATE imports SET state = 'waiting', uploaded = true, content_hash = :content_hash, bytes = :size, "
        "changed_at = :now WHERE id = :id AND state = 'uploading'",
        id=import_id,
        content_hash=content_hash,
        size=size,
        now=work.now,
    )


async def chunk(work: Work, import_id: UUID, number: int) -> bytes | None:
    """Returns a part of a file."""
    row = await work.row(
        "SELECT content FROM import_chunks WHERE import_id = :id AND number = :number", id=import_id, number=number
    )
    return None if row is None else bytes(row.content)


async def drop_chunks(work: Work, import_id: UUID) -> None:
    """Throws a file away."""
    await work.run("DELETE FROM import_chunks WHERE import_id = :id", id=import_id)
