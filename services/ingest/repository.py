"""All SQL of ingest."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Work

_SOURCE = "SELECT id, name, kind, allow_orders, created_at, disabled_at FROM sources "


async def insert_source(
    work: Work, source_id: UUID, *, name: str, kind: str, key_hash: bytes, allow_orders: bool
) -> bool:
    """Stores a source; False if its name is taken."""
    row = await work.row(
        "INSERT INTO sources (id, name, kind, key_hash, allow_orders, created_at) "
        "VALUES (:id, :name, :kind, :key_hash, :allow_orders, :now) ON CONFLICT (name) DO NOTHING RETURNING id",
        id=source_id,
        name=name,
        kind=kind,
        key_hash=key_hash,
        allow_orders=allow_orders,
        now=work.now,
    )
    return row is not None


async def source_by_key(work: Work, key_hash: bytes) -> Mapping[str, Any] | None:
    """The source that a key belongs to, unless it is disabled."""
    row = await work.row(_SOURCE + "WHERE key_hash = :key_hash AND disabled_at IS NULL", key_hash=key_hash)
    return None if row is None else row._mapping


async def source(work: Work, source_id: UUID) -> Mapping[str, Any] | None:
    """One source."""
    row = await work.row(_SOURCE + "WHERE id = :id", id=source_id)
    return None if row is None else row._mapping


async def sources(work: Work) -> Sequence[Mapping[str, Any]]:
    """Every source, by name."""
    return [row._mapping for row in await work.rows(_SOURCE + "ORDER BY name")]


async def disable_source(work: Work, source_id: UUID) -> None:
    """Stops a source's key from working; the first time stays noted."""
    await work.run(
        "UPDATE sources SET disabled_at = coalesce(disabled_at, :now) WHERE id = :id", id=source_id, now=work.now
    )


async def insert_quarantined(work: Work, source_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keeps refused events, each once."""
    await work.run(
        "INSERT INTO quarantine (id, source_id, received_at, reason_code, reason, raw, message_id) "
        "SELECT id, :source_id, :now, reason_code, reason, raw, message_id FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:codes AS text[]), CAST(:reasons AS text[]), CAST(:raws AS bytea[]), CAST(:message_ids AS text[])) "
        "AS t(id, reason_code, reason, raw, message_id) ORDER BY id ON CONFLICT (id) DO NOTHING",
        source_id=source_id,
        now=work.now,
        ids=[row["id"] for row in rows],
        codes=[row["reason_code"] for row in rows],
        reasons=[row["reason"] for row in rows],
        raws=[row["raw"] for row in rows],
        message_ids=[row["message_id"] for row in rows],
    )


async def quarantined(
    work: Work,
    *,
    source_id: UUID | None,
    reason_code: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Refused events, newest first, behind a position."""
    received_at, last_id = after or (None, None)
    rows = await work.rows(
        "SELECT q.id, q.source_id, s.name AS source, q.received_at, q.reason_code, q.reason, q.raw, q.message_id "
        "FROM quarantine q JOIN sources s ON s.id = q.source_id "
        "WHERE (CAST(:source_id AS uuid) IS NULL OR q.source_id = :source_id) "
        "AND (CAST(:reason_code AS text) IS NULL OR q.reason_code = :reason_code) "
        "AND (CAST(:received_at AS timestamptz) IS NULL "
        "OR (q.received_at, q.id) < (:received_at, CAST(:last_id AS uuid))) "
        "ORDER BY q.received_at DESC, q.id DESC LIMIT :limit",
        source_id=source_id,
        reason_code=reason_code,
        received_at=received_at,
        last_id=last_id,
        limit=limit,
    )
    return [row._mapping for row in rows]


async def reasons(work: Work, *, source_id: UUID | None) -> dict[str, int]:
    """How many events were refused for each reason."""
    rows = await work.rows(
        "SELECT reason_code, count(*) AS events FROM quarantine "
        "WHERE CAST(:source_id AS uuid) IS NULL OR source_id = :source_id GROUP BY reason_code ORDER BY reason_code",
        source_id=source_id,
    )
    return {row.reason_code: row.events for row in rows}
