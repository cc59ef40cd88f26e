"""The routes of ingest for its operators: sources and the quarantine."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query

from services.ingest import service
from services.ingest.domain.errors import Reason
from services.ingest.schemas import (
    QuarantinedOut,
    QuarantinePage,
    ReasonsOut,
    SourceCreated,
    SourceIn,
    SourceOut,
    SourcesOut,
)
from shared.contracts.envelope import SourceKind
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, once, requires

router = APIRouter(prefix="/v1", tags=["ingest"])


@router.post("/sources", status_code=201, summary="Create a source")
async def create_source(
    database: Db,
    caller: Caller,
    body: SourceIn,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> SourceCreated:
    """Returns the source's write key, once: only its hash is kept. 409 if the name is taken."""
    caller.require("ingest:admin")
    shown: list[str] = []

    async def make() -> UUID:
        source_id, key = await service.create_source(
            work, name=body.name, kind=SourceKind(body.kind), allow_orders=body.allow_orders
        )
        shown.append(key)
        return source_id

    async with database.work() as work:
        made, _ = await once(
            work,
            idempotency_key and f"{caller.subject}/sources/{idempotency_key}",
            body.model_dump_json(),
            make,
        )
    return SourceCreated(id=made, write_key=shown[0] if shown else None)


@router.get("/sources", dependencies=[requires("ingest:read")], summary="Every source")
async def sources(database: Db) -> SourcesOut:
    """By name, disabled ones too."""
    async with database.work() as work:
        rows = await service.sources(work)
    return SourcesOut(sources=[SourceOut.model_validate(dict(row)) for row in rows])


@router.post("/sources/{source_id}/disable", dependencies=[requires("ingest:admin")], summary="Disable a source")
async def disable_source(database: Db, source_id: UUID) -> SourceOut:
    """Its write key stops working within ten seconds."""
    async with database.work() as work:
        row = await service.disable_source(work, source_id)
    return SourceOut.model_validate(dict(row))


@router.get("/quarantine", dependencies=[requires("ingest:read")], summary="Events refused, newest first")
async def quarantine(
    database: Db,
    source_id: UUID | None = None,
    reason: Reason | None = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> QuarantinePage:
    """One page; pass `next` as `cursor` for the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await service.quarantined(work, source_id=source_id, reason_code=reason, after=after, limit=limit)
    events = [QuarantinedOut.model_validate({**row, "raw": row["raw"].decode(errors="replace")}) for row in rows]
    last = events[-1] if len(events) == limit else None
    return QuarantinePage(events=events, next=encode_cursor(last.received_at, last.id) if last else None)


@router.get(
    "/quarantine/reasons", dependencies=[requires("ingest:read")], summary="How many events were refused, and why"
)
async def reasons(database: Db, source_id: UUID | None = None) -> ReasonsOut:
    """Counts by reason code, of one source or of all."""
    async with database.work() as work:
        return ReasonsOut(reasons=dict(await service.reasons(work, source_id=source_id)))
