"""SQL on the quarantine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts import keepable
from shared.database.database import Work

_COLUMNS = (
    "q.id, q.source_id, s.name AS source, q.received_at, q.reason_code, q.reason, q.raw, q.message_id, q.way, "
    "q.around, q.state, q.decided_at, q.decided_by, q.note, q.import_id, q.import_row"
)
_FROM = f"SELECT {_COLUMNS} FROM quarantine q JOIN sources s ON s.id = q.source_id "
# Of a filter only what is given counts.
_FILTER = (
    "(CAST(:source_id AS uuid) IS NULL OR q.source_id = :source_id) "
    "AND (CAST(:reason_code AS text) IS NULL OR q.reason_code = :reason_code) "
    "AND (CAST(:state AS text) IS NULL OR q.state = :state) "
    "AND (CAST(:import_id AS uuid) IS NULL OR q.import_id = :import_id) "
)

Row = Mapping[str, Any]


async def insert(work: Work, source_id: UUID, rows: Sequence[Row], *, import_id: UUID | None = None) -> None:
    """Keeps refused payloads, each once. One that was refused before is held again, with its new reason."""
    await work.run(
        """
        INSERT INTO quarantine AS q
               (id, source_id, received_at, reason_code, reason, raw, message_id, way, around, import_id, import_row,
                waits_for)
        SELECT id, :source_id, :now, reason_code, reason, raw, message_id, way, CAST(around AS jsonb), :import_id,
               import_row, waits_for
          FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:reasons AS text[]), CAST(:raws AS bytea[]),
                      CAST(:message_ids AS text[]), CAST(:ways AS text[]), CAST(:arounds AS text[]),
                      CAST(:rows AS bigint[]), CAST(:waits_for AS text[]))
               AS t(id, reason_code, reason, raw, message_id, way, around, import_row, waits_for)
         ORDER BY id
            ON CONFLICT (id) DO UPDATE
           SET state = 'held', reason_code = excluded.reason_code, reason = excluded.reason, decided_at = NULL,
               decided_by = NULL, note = NULL, waits_for = excluded.waits_for
         WHERE q.state = 'dropped'
        """,
        source_id=source_id,
        now=work.now,
        import_id=import_id,
        ids=[row["id"] for row in rows],
        codes=[row["reason_code"] for row in rows],
        reasons=[row["reason"] for row in rows],
        raws=[row["raw"] for row in rows],
        message_ids=[row["message_id"] for row in rows],
        ways=[row["way"] for row in rows],
        arounds=[keepable.encode(row["around"]) for row in rows],
        rows=[row.get("import_row") for row in rows],
        waits_for=[row.get("waits_for") for row in rows],
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
) -> Sequence[Row]:
    """Returns refused payloads, newest first, after a position."""
    received_at, last_id = after or (None, None)
    rows = await work.rows(
        f"{_FROM} WHERE {_FILTER} AND (CAST(:received_at AS timestamptz) IS NULL "
        "OR (q.received_at, q.id) < (:received_at, CAST(:last_id AS uuid))) "
        "ORDER BY q.received_at DESC, q.id DESC LIMIT :limit",
        source_id=source_id,
        reason_code=reason_code,
        state=state,
        import_id=import_id,
        received_at=received_at,
        last_id=last_id,
        limit=limit,
    )
    return [row._mapping for row in rows]


async def lock(work: Work, row_id: UUID) -> Row | None:
    """Returns one refused payload, held until the transaction ends."""
    row = await work.row(f"{_FROM} WHERE q.id = :id FOR UPDATE OF q", id=row_id)
    return None if row is None else row._mapping


async def one(work: Work, row_id: UUID) -> Row | None:
    """Returns one refused payload."""
    row = await work.row(f"{_FROM} WHERE q.id = :id", id=row_id)
    return None if row is None else row._mapping


async def chosen(
    work: Work, *, source_id: UUID | None, reason_code: str | None, import_id: UUID | None, limit: int
) -> Sequence[UUID]:
    """Returns the ids of some held payloads, oldest first."""
    rows = await work.rows(
        f"SELECT q.id FROM quarantine q WHERE {_FILTER} ORDER BY q.received_at, q.id LIMIT :limit",
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
        "UPDATE quarantine SET state = :state, decided_at = :now, decided_by = :by, note = :note WHERE id = :id",
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
        "SELECT reason_code, count(*) AS events FROM quarantine WHERE state = 'held' "
        "AND (CAST(:source_id AS uuid) IS NULL OR source_id = :source_id) GROUP BY reason_code ORDER BY reason_code",
        source_id=source_id,
    )
    return {row.reason_code: row.events for row in rows}


async def forget(work: Work, *, before: datetime, limit: int) -> int:
    """Deletes at most `limit` payloads received before `before`. Returns how many."""
    return await work.run(
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_at < :before "
        "ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED)",
        before=before,
        limit=limit,
    )
