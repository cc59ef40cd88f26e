"""Imports of files, by upload."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from services.ingest.schemas.imports import ImportCreated, ImportIn, ImportOut, ImportsOut
from services.ingest.service import imports, sources
from shared.audit import Actor
from shared.database.database import Database
from shared.errors import AppError, Invalid
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute

CHUNK_BYTES: Final = 1 << 20
REJECTS_AT_ONCE: Final = 500

ORDERS: Final = """\
order_id,user_id,ordered_at,currency,total
A-1001,42,2026-01-31T12:00:00Z,EUR,59.90
A-1002,43,2026-01-31T12:05:00Z,EUR,14.50
"""

router = APIRouter(route_class=GuardedRoute, prefix="/v1/imports", tags=["imports"])


class TooLarge(AppError):
    """The file is larger than this service accepts."""

    status = 413


@router.post("", status_code=201, dependencies=[requires("ingest:admin")], summary="Announce a file to be imported")
async def announce(database: Db, caller: Caller, body: ImportIn) -> ImportCreated:
    """Checks the options. Upload the bytes next."""
    options = imports.options_of(body.options)
    async with database.work() as work:
        source_id = body.source_id or await sources.named(work, body.source or "")
        made = await imports.announce(work, source_id, options, name=body.name, by=Actor.of(caller))
    return ImportCreated(id=made)


@router.put(
    "/{import_id}/content",
    status_code=202,
    dependencies=[requires("ingest:admin")],
    summary="Upload the file",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary", "minLength": 1},
                    "example": ORDERS,
                }
            },
        }
    },
)
async def upload(request: Request, database: Db, caller: Caller, import_id: UUID) -> ImportOut:
    """The body is the file's bytes as they are. Send an upload that was cut off again from the beginning."""
    limit: int = request.app.state.import_bytes
    async with database.work() as work:
        await imports.begin_upload(work, import_id)
    hashed, size, digests, waiting = hashlib.sha256(), 0, list[bytes](), bytearray()
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"more than {limit} bytes; import it from the command line, or cut it")
        hashed.update(part)
        waiting += part
        while len(waiting) >= CHUNK_BYTES:
            digests.append(await _keep(database, import_id, len(digests), bytes(waiting[:CHUNK_BYTES])))
            del waiting[:CHUNK_BYTES]
    if not size:
        raise Invalid("body: it is empty; send the bytes of the file")
    if waiting:
        digests.append(await _keep(database, import_id, len(digests), bytes(waiting)))
    async with database.work() as work:
        await imports.end_upload(
            work, import_id, content_hash=hashed.digest(), size=size, digests=digests, by=Actor.of(caller)
        )
        work.wakes = True
        return _out(await imports.one(work, import_id))


async def _keep(database: Database, import_id: UUID, number: int, content: bytes) -> bytes:
    """Returns the SHA-256 of the part that is kept."""
    async with database.work() as work:
        await imports.add_chunk(work, import_id, number, content)
    return hashlib.sha256(content).digest()


@router.get("", dependencies=[requires("ingest:read")], summary="Imports, newest first")
async def page(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> ImportsOut:
    """Returns one page. Pass `next` as `cursor` for the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = [_out(row) for row in await imports.page(work, after=after, limit=limit)]
    last = rows[-1] if len(rows) == limit else None
    return ImportsOut(imports=rows, next=encode_cursor(last.created_at, last.id) if last else None)


@router.get("/{import_id}", dependencies=[requires("ingest:read")], summary="How far an import has come")
async def one(database: Db, import_id: UUID) -> ImportOut:
    """Returns the state as of the last batch."""
    async with database.work() as work:
        return _out(await imports.one(work, import_id))


@router.get(
    "/{import_id}/rejects",
    dependencies=[requires("ingest:read")],
    summary="The rows that were refused, each with its reason",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def rejects(database: Db, import_id: UUID) -> StreamingResponse:
    """Returns one JSON object a line: row (from 0), reason code, reason, and the row itself."""
    async with database.work() as work:
        await imports.one(work, import_id)
    return StreamingResponse(_rejects(database, import_id), media_type="application/x-ndjson")


async def _rejects(database: Database, import_id: UUID) -> AsyncIterator[bytes]:
    after = -1
    while True:
        async with database.work() as work:
            rows = await imports.rejects(work, import_id, after=after, limit=REJECTS_AT_ONCE)
        for row in rows:
            yield msgspec.json.encode({**row, "raw": bytes(row["raw"]).decode(errors="replace")}) + b"\n"
        if len(rows) < REJECTS_AT_ONCE:
            return
        after = rows[-1]["row"]


def _out(row: Any) -> ImportOut:
    return ImportOut.model_validate(dict(row))
