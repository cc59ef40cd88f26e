"""Tags: what they are, who has them, and setting them by hand."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from services.segment.schemas.tags import (
    TAG_PATTERN,
    CustomerTagOut,
    CustomerTagsOut,
    StatedOut,
    TagChange,
    TagIn,
    TagOut,
    TagsOut,
    TagStatementIn,
)
from services.segment.service import tags
from services.segment.service.tags import ListedTag, TagDefinition
from shared.audit import Actor
from shared.http import Caller, Db, EditOf, PageSize, decode_cursor, encode_cursor, etag, requires, utc
from shared.http.guarded import GuardedRoute

UNDEFINED: Final = "undefined"

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["tags"])
# A tag may hold a slash, so it is all the rest of a path.
Name = Annotated[str, Path(pattern=TAG_PATTERN, description="a tag, slashes and all")]


@router.post("/tags", status_code=201, dependencies=[requires("segment:write")], summary="Define a tag")
async def create(database: Db, caller: Caller, body: TagIn, response: Response) -> TagOut:
    """Returns the tag with its `ETag`. 409 if it is defined, or if the segment of its rule is not live."""
    async with database.work() as work:
        await tags.create(work, body.name, _definition(body), by=Actor.of(caller))
        return _shown(await tags.one(work, body.name), response)


@router.get("/tags", dependencies=[requires("segment:read")], summary="List tags")
async def every(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> TagsOut:
    """Returns one page, by name: tags that are defined, and those that customers have though nobody defined them."""
    after = decode_cursor(cursor, tuple[str])[0] if cursor else None
    async with database.work() as work:
        rows = await tags.page(work, after=after, limit=limit)
    following = encode_cursor(rows[-1].name) if len(rows) == limit else None
    return TagsOut(tags=[_out(row) for row in rows], next=following)


@router.get("/tags/{tag:path}", dependencies=[requires("segment:read")], summary="Read a tag")
async def one(database: Db, tag: Name, response: Response) -> TagOut:
    """Returns the tag; one that is defined has an `ETag`, for an edit."""
    async with database.work() as work:
        return _shown(await tags.one(work, tag), response)


@router.put("/tags/{tag:path}", dependencies=[requires("segment:write")], summary="Change a tag's definition")
async def change(
    database: Db, caller: Caller, tag: Name, body: TagChange, revision: EditOf, response: Response
) -> TagOut:
    """Of a rule, all whom it concerns are looked at again: members of the segment get the tag, others lose it."""
    async with database.work() as work:
        await tags.change(work, tag, _definition(body), revision=revision, by=Actor.of(caller))
        return _shown(await tags.one(work, tag), response)


@router.delete(
    "/tags/{tag:path}", status_code=204, dependencies=[requires("segment:write")], summary="Delete a tag's definition"
)
async def delete(database: Db, caller: Caller, tag: Name, revision: EditOf) -> None:
    """Customers keep the tag, which nobody defines any more."""
    async with database.work() as work:
        await tags.delete(work, tag, revision=revision, by=Actor.of(caller))


@router.get(
    "/profiles/{profile_id}/tags", dependencies=[requires("segment:read")], summary="List the tags that a customer has"
)
async def of_customer(database: Db, profile_id: UUID) -> CustomerTagsOut:
    """Returns the tags by name. The id of a merged profile still works."""
    async with database.work() as work:
        rows = await tags.of_customer(work, profile_id)
    shown = [CustomerTagOut(**{**msgspec.structs.asdict(row), "kind": row.kind or UNDEFINED}) for row in rows]
    return CustomerTagsOut(profile_id=profile_id, tags=shown)


@router.put(
    "/profiles/{profile_id}/tags/{tag:path}",
    status_code=202,
    dependencies=[requires("segment:write")],
    summary="Set a customer's tag by hand",
)
async def set_by_hand(
    request: Request, database: Db, caller: Caller, profile_id: UUID, tag: Name, body: TagStatementIn | None = None
) -> StatedOut:
    """Publishes that the customer has the tag. 409 for a tag by rule."""
    statement = body or TagStatementIn()
    async with database.work() as work:
        fact = await tags.set_by_hand(
            work,
            profile_id,
            tag,
            reason=statement.reason,
            expires_at=utc(statement.expires_at) if statement.expires_at else None,
            by=Actor.of(caller),
            partition_secret=request.app.state.partition_secret,
        )
    return StatedOut(event_id=fact)


@router.delete(
    "/profiles/{profile_id}/tags/{tag:path}",
    status_code=202,
    dependencies=[requires("segment:write")],
    summary="Clear a customer's tag by hand",
)
async def clear_by_hand(request: Request, database: Db, caller: Caller, profile_id: UUID, tag: Name) -> StatedOut:
    """Publishes that the customer has the tag no more. 409 for a tag by rule."""
    async with database.work() as work:
        fact = await tags.clear_by_hand(
            work, profile_id, tag, by=Actor.of(caller), partition_secret=request.app.state.partition_secret
        )
    return StatedOut(event_id=fact)


def _definition(body: TagChange) -> TagDefinition:
    return TagDefinition(kind=body.kind, owner=body.owner, description=body.description, segment_id=body.segment_id)


def _shown(row: ListedTag, response: Response) -> TagOut:
    if row.definition is not None:
        response.headers["ETag"] = etag(row.definition.revision)
    return _out(row)


def _out(row: ListedTag) -> TagOut:
    made = row.definition
    if made is None:
        return TagOut(name=row.name, kind=UNDEFINED, customers=row.customers)
    known: dict[str, Any] = msgspec.structs.asdict(made)
    return TagOut.model_validate({**known, "customers": row.customers, "followed_at": made.backfilled_at})
