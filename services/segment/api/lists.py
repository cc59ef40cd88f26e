"""Lists of customers: what they are, who is on them, and uploads of members."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.segment.domain.uploads import MAX_ROWS, BadRow, Format, UploadReader
from services.segment.schemas.lists import (
    LIST_PATTERN,
    BadRowOut,
    ListChange,
    ListIn,
    ListMemberOut,
    ListMembersOut,
    ListOut,
    ListsOut,
    UploadOut,
)
from services.segment.service import lists
from services.segment.service.lists import ListRow
from shared.audit import Actor
from shared.errors import AppError
from shared.http import (
    Caller,
    Db,
    EditOf,
    Moment,
    PageSize,
    decode_cursor,
    encode_cursor,
    etag,
    once,
    requires,
    scoped_key,
    utc,
)
from shared.http.guarded import GuardedRoute

MAX_UPLOAD_BYTES: Final = 16 << 20  # 160 a row, where there are as many as there may be
MEDIA: Final[Mapping[str, Format]] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
CSV_EXAMPLE: Final = "ref,expires_at\nemail:ann@example.com,2099-12-31T23:00:00Z\nuser_id:42,\n"
NDJSON_EXAMPLE: Final = (
    '{"ref": "email:ann@example.com", "expires_at": "2099-12-31T23:00:00Z"}\n{"ref": "user_id:42"}\n'
)
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"a customer a line, up to {MAX_ROWS}: `ref` is a profile id or `namespace:value`",
        "content": {
            "text/csv": {"schema": {"type": "string", "minLength": 1}, "example": CSV_EXAMPLE},
            "application/x-ndjson": {"schema": {"type": "string", "minLength": 1}, "example": NDJSON_EXAMPLE},
        },
    }
}

router = APIRouter(route_class=GuardedRoute, prefix="/v1/lists", tags=["lists"])
Id = Annotated[str, Path(pattern=LIST_PATTERN, description="a list's id")]
Key = Annotated[str | None, Header(max_length=200)]


class TooLarge(AppError):
    """The upload is larger than this service accepts."""

    status = 413


class UnsupportedMediaType(AppError):
    """The body is of a type that this service can't read."""

    status = 415


@router.post("", status_code=201, dependencies=[requires("segment:write")], summary="Create a list")
async def create(database: Db, caller: Caller, body: ListIn, response: Response) -> ListOut:
    """Returns the empty list with its `ETag`. 409 if the id is or was one of a list."""
    async with database.work() as work:
        row = await lists.create(work, body.id, name=body.name, description=body.description, by=Actor.of(caller))
    return _shown(row, {}, response)


@router.get("", dependencies=[requires("segment:read")], summary="List lists")
async def every(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> ListsOut:
    """Returns one page, by id, with sizes. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[str])[0] if cursor else None
    async with database.work() as work:
        rows = await lists.page(work, after=after, limit=limit)
        sizes = await lists.sizes(work, rows)
    following = encode_cursor(rows[-1].id) if len(rows) == limit else None
    return ListsOut(lists=[_out(row, sizes) for row in rows], next=following)


@router.get("/{list_id}", dependencies=[requires("segment:read")], summary="Read a list")
async def one(database: Db, list_id: Id, response: Response) -> ListOut:
    """Returns the list with its `ETag`, for an edit."""
    async with database.work() as work:
        row = await lists.one(work, list_id)
        return _shown(row, await lists.sizes(work, [row]), response)


@router.put("/{list_id}", dependencies=[requires("segment:write")], summary="Change a list")
async def change(
    database: Db, caller: Caller, list_id: Id, body: ListChange, revision: EditOf, response: Response
) -> ListOut:
    """Changes what the list is called. 412 if somebody changed it since it was read."""
    async with database.work() as work:
        row = await lists.change(
            work, list_id, revision=revision, name=body.name, description=body.description, by=Actor.of(caller)
        )
        return _shown(row, await lists.sizes(work, [row]), response)


@router.delete("/{list_id}", status_code=204, dependencies=[requires("segment:write")], summary="Delete a list")
async def delete(database: Db, caller: Caller, list_id: Id, revision: EditOf) -> None:
    """Deletes the list; its id is not given again. 409 if a live segment asks about it."""
    async with database.work() as work:
        await lists.delete(work, list_id, revision=revision, by=Actor.of(caller))


@router.get("/{list_id}/members", dependencies=[requires("segment:read")], summary="List a list's members")
async def members(
    database: Db, list_id: Id, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> ListMembersOut:
    """Returns one page, by customer id. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[UUID])[0] if cursor else None
    async with database.work() as work:
        rows = await lists.members(work, list_id, after=after, limit=limit)
    following = encode_cursor(rows[-1].profile_id) if len(rows) == limit else None
    return ListMembersOut(
        members=[ListMemberOut(profile_id=row.profile_id, expires_at=row.expires_at) for row in rows], next=following
    )


@router.post(
    "/{list_id}/members",
    status_code=202,
    dependencies=[requires("segment:write")],
    summary="Upload members of a list",
    openapi_extra=BODY,
)
async def upload(
    request: Request,
    database: Db,
    caller: Caller,
    list_id: Id,
    expires_at: Annotated[Moment | None, Query(description="when it ends for rows that say no time")] = None,
    idempotency_key: Key = None,
) -> UploadOut:
    """Publishes each row as a fact, which counts once it has come back through profile. Bad rows are named, and passed
    over. With an `Idempotency-Key` an upload that was cut off is sent again, and no row counts twice.
    """
    until = None if expires_at is None else utc(expires_at)
    return await _take(request, database, caller, list_id, adds=True, expires_at=until, key=idempotency_key)


@router.post(
    "/{list_id}/members/remove",
    status_code=202,
    dependencies=[requires("segment:write")],
    summary="Upload those who leave a list",
    openapi_extra=BODY,
)
async def remove(request: Request, database: Db, caller: Caller, list_id: Id, idempotency_key: Key = None) -> UploadOut:
    """As an upload of members; `expires_at` means nothing here."""
    return await _take(request, database, caller, list_id, adds=False, expires_at=None, key=idempotency_key)


async def _take(
    request: Request,
    database: Db,
    caller: Caller,
    list_id: str,
    *,
    adds: bool,
    expires_at: datetime | None,
    key: str | None,
) -> UploadOut:
    async with database.work() as work:
        await lists.one(work, list_id)
        reader = UploadReader(_format(request), now=work.now, expires_at=expires_at)
    digest = await _read(request, reader)
    fingerprint = f"{list_id} {adds} {expires_at} {digest}"

    async with database.work() as work:

        async def note() -> UUID:
            made = uuid4()
            await lists.note_upload(work, list_id, made, adds=adds, rows=len(reader.entries), by=Actor.of(caller))
            return made

        upload_id, _ = await once(work, scoped_key(caller, "list-members", key), fingerprint, note)
    secret: bytes = request.app.state.partition_secret
    strangers: list[BadRow] = []
    for start in range(0, len(reader.entries), lists.ROWS_AT_ONCE):
        some = reader.entries[start : start + lists.ROWS_AT_ONCE]
        async with database.work() as work:  # each part by itself: all at once would hold a transaction for too long
            strangers += await lists.publish(work, list_id, upload_id, some, adds=adds, partition_secret=secret)
    bad = sorted([*reader.bad, *strangers], key=lambda one: one.row)
    return UploadOut(
        upload_id=upload_id,
        accepted=len(reader.entries) - len(strangers),
        bad=[BadRowOut(row=one.row, reason=one.reason) for one in bad],
    )


async def _read(request: Request, reader: UploadReader) -> str:
    """Reads a body as it comes in. Returns its SHA-256."""
    hashed, size = hashlib.sha256(), 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_UPLOAD_BYTES:
            raise TooLarge(f"more than {MAX_UPLOAD_BYTES} bytes; send several uploads")
        hashed.update(part)
        for _ in reader.feed(part):
            await asyncio.sleep(0)
    reader.finish()
    return hashed.hexdigest()


def _format(request: Request) -> Format:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in MEDIA:
        raise UnsupportedMediaType(f"Content-Type: send {' or '.join(MEDIA)}")
    return MEDIA[media]


def _shown(row: ListRow, sizes: Mapping[str, int], response: Response) -> ListOut:
    response.headers["ETag"] = etag(row.revision)
    return _out(row, sizes)


def _out(row: ListRow, sizes: Mapping[str, int]) -> ListOut:
    return ListOut.model_validate({**msgspec.structs.asdict(row), "members": sizes.get(row.id, 0)})
