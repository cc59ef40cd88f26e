"""SQL on the quarantine."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, row_as, rows_as, unnest, values


class StoredPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A refused payload with its reason, and what was decided on it."""

    id: UUID
    source_id: UUID
    received_at: datetime
    reason_code: str
    reason: str
    raw: bytes
    message_id: str | None
    way: str
    around: dict[str, Any]
    state: str
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    import_id: UUID | None
    import_row: int | None


class QuarantinedPayload(StoredPayload, frozen=True, kw_only=True):
    """A refused payload, and the name of its source."""

    source: str


class NewPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that is refused now."""

    id: UUID
    reason_code: str
    reason: str
    raw: bytes
    message_id: str | None
    way: str
    around: Json
    import_row: int | None
    waits_for: str | None


_FROM: Final = f"""
        SELECT {columns(StoredPayload, "q")}, s.name AS source
          FROM quarantine q
          JOIN sources s ON s.id = q.source_id
"""
# Of a filter only what is given counts.
_FILTER: Final = """
               (CAST(:source_id AS uuid) IS NULL OR q.source_id = :source_id)
           AND (CAST(:reason_code AS text) IS NULL OR q.reason_code = :reason_code)
           AND (CAST(:state AS text) IS NULL OR q.state = :state)
           AND (CAST(:import_id AS uuid) IS NULL OR q.import_id = :import_id)
"""


async def insert(work: Work, source_id: UUID, rows: Sequence[NewPayload], *, import_id: UUID | None = None) -> None:
    """Keeps refused payloads, each once. One that was refused before is held again, with its new reason."""
    await work.run(
        f"""
        INSERT INTO quarantine AS q (source_id, received_at, import_id, {", ".join(NewPayload.__struct_fields__)})
        SELECT :source_id, :now, :import_id, {values(NewPayload, "n")}
          FROM {unnest(NewPayload, "n")}
         ORDER BY n.id
            ON CONFLICT (id)
            DO UPDATE SET state = 'held',
                          reason_code = excluded.reason_code,
                          reason = excluded.reason,
                          decided_at = NULL,
                          decided_by = NULL,
                          note = NULL,
                          waits_for = excluded.waits_for
         WHERE q.state = 'dropped'
        """,
        source_id=source_id,
        now=work.now,
        import_id=import_id,
        **arrays(rows, NewPayload),
    )


async def page(
    work: Work,
    *,
    source_id: UUID | None,
    reason_code: str | None,
    state: str | None,
    import_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[QuarantinedPayload]:
    """Returns refused payloads, newest first, after a position."""
    received_at, last_id = after or (None, None)
    return await rows_as(
        work,
        QuarantinedPayload,
        f"""
        {_FROM}
         WHERE {_FILTER}
           AND (
               CAST(:received_at AS timestamptz) IS NULL
               OR (q.received_at, q.id) < (:received_at, CAST(:last_id AS uuid))
               )
         ORDER BY q.received_at DESC, q.id DESC
         LIMIT :limit
        """,
        source_id=source_id,
        reason_code=reason_code,
        state=state,
        import_id=import_id,
        received_at=received_at,
        last_id=last_id,
        limit=limit,
    )


async def lock(work: Work, row_id: UUID) -> QuarantinedPayload | None:
    """Returns one refused payload, held until the transaction ends."""
    return await row_as(work, QuarantinedPayload, f"{_FROM} WHERE q.id = :id FOR UPDATE OF q", id=row_id)


async def one(work: Work, row_id: UUID) -> QuarantinedPayload | None:
    """Returns one refused payload."""
    return await row_as(work, QuarantinedPayload, f"{_FROM} WHERE q.id = :id", id=row_id)


async def chosen(
    work: Work, *, source_id: UUID | None, reason_code: str | None, import_id: UUID | None, limit: int
) -> Sequence[UUID]:
    """Returns the ids of some held payloads, oldest first."""
    rows = await work.rows(
        f"""
        SELECT q.id
          FROM quarantine q
         WHERE {_FILTER}
         ORDER BY q.received_at, q.id
         LIMIT :limit
        """,
        source_id=source_id,
        reason_code=reason_code,
        state="held",
        import_id=import_id,
        limit=limit,
    )
    return [row.id for row in rows]


async def decide(work: Work, row_id: UUID, *, state: str, by: str, note: str) -> None:
    """Notes what became of a payload."""
    await work.run(
        """
        UPDATE quarantine SET state = :state, decided_at = :now, decided_by = :by, note = :note
         WHERE id = :id
        """,
        id=row_id,
        state=state,
        now=work.now,
        by=by,
        note=note,
    )


async def refuse_again(work: Work, row_id: UUID, *, reason_code: str, reason: str) -> None:
    """Notes the new reason of a payload that is still refused."""
    await work.run(
        "UPDATE quarantine SET reason_code = :reason_code, reason = :reason WHERE id = :id",
        id=row_id,
        reason_code=reason_code,
        reason=reason,
    )


async def reasons(work: Work, *, source_id: UUID | None) -> dict[str, int]:
    """Returns how many payloads are held for each reason."""
    rows = await work.rows(
        """
        SELECT reason_code, count(*) AS events
          FROM quarantine
         WHERE state = 'held' AND (CAST(:source_id AS uuid) IS NULL OR source_id = :source_id)
         GROUP BY reason_code
         ORDER BY reason_code
        """,
        source_id=source_id,
    )
    return {row.reason_code: row.events for row in rows}


async def forget(work: Work, *, before: datetime, limit: int) -> int:
    """Deletes at most `limit` payloads received before `before`. Returns how many."""
    return await work.run(
        """
        DELETE FROM quarantine
         WHERE id IN (
               SELECT id
                 FROM quarantine
                WHERE received_at < :before
                ORDER BY received_at
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED
               )
        """,
        before=before,
        limit=limit,
    )
