"""Broadcasts: one message to everybody in a segment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Response

from services.campaign.api.channels import Channels
from services.campaign.domain.broadcast import BroadcastState
from services.campaign.schemas.broadcasts import (
    BroadcastChange,
    BroadcastIn,
    BroadcastOut,
    BroadcastSaved,
    BroadcastShown,
    BroadcastsOut,
    ProgressOut,
)
from services.campaign.schemas.journeys import WarningOut
from services.campaign.service import broadcasts, known
from services.campaign.service.broadcasts import StoredBroadcast
from shared.audit import Actor
from shared.database.database import Database
from shared.http import Caller, Db, EditOf, PageSize, decode_cursor, encode_cursor, etag, requires
from shared.http.auth import Principal
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1/broadcasts", tags=["broadcasts"])
Id = Annotated[str, Path(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80, description="a broadcast's id")]


@router.post("", status_code=201, dependencies=[requires("campaign:write")], summary="Create a broadcast")
async def create(
    database: Db, channels: Channels, caller: Caller, body: BroadcastIn, response: Response
) -> BroadcastSaved:
    """Creates a draft. Returns it with its `ETag`. 409 if the id is taken.

    422 has each mistake of the definition with its place, a JSON pointer into it.
    """
    async with database.work() as work:
        stored, problems = await broadcasts.create(
            work, body.id, body.definition, await known.look(work, channels), by=Actor.of(caller)
        )
    response.headers["ETag"] = etag(stored.revision)
    return BroadcastSaved(**_fields(stored), warnings=WarningOut.all_of(problems))


@router.get("", dependencies=[requires("campaign:read")], summary="List broadcasts, newest first")
async def every(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> BroadcastsOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await broadcasts.every(work, after=after, limit=limit)
    following = encode_cursor(rows[-1].created_at, rows[-1].trigger_id) if len(rows) == limit else None
    return BroadcastsOut(broadcasts=[BroadcastOut(**_fields(row)) for row in rows], next=following)


@router.get("/{broadcast_id}", dependencies=[requires("campaign:read")], summary="Read a broadcast and its progress")
async def one(database: Db, broadcast_id: Id, response: Response) -> BroadcastShown:
    """Returns the broadcast with its `ETag`, and how its messages stand."""
    async with database.work() as work:
        stored = await broadcasts.one(work, broadcast_id)
        tally = await broadcasts.tally(work, broadcast_id)
    response.headers["ETag"] = etag(stored.revision)
    return BroadcastShown(**_fields(stored), progress=ProgressOut.model_validate(tally))


@router.put("/{broadcast_id}", dependencies=[requires("campaign:write")], summary="Change a broadcast's draft")
async def change(
    database: Db,
    channels: Channels,
    caller: Caller,
    broadcast_id: Id,
    body: BroadcastChange,
    revision: EditOf,
    response: Response,
) -> BroadcastSaved:
    """Changes a draft. 409 once it was started; 412 if somebody changed it since it was read."""
    async with database.work() as work:
        stored, problems = await broadcasts.change(
            work,
            broadcast_id,
            body.definition,
            await known.look(work, channels),
            revision=revision,
            by=Actor.of(caller),
        )
    response.headers["ETag"] = etag(stored.revision)
    return BroadcastSaved(**_fields(stored), warnings=WarningOut.all_of(problems))


@router.post("/{broadcast_id}/start", dependencies=[requires("campaign:write")], summary="Start a broadcast")
async def start(database: Db, caller: Caller, broadcast_id: Id, revision: EditOf) -> BroadcastOut:
    """Starts a draft: at once, or at its time. Its audience is fixed when it starts."""
    return await _moved(database, caller, broadcast_id, BroadcastState.SCHEDULED, revision)


@router.post("/{broadcast_id}/pause", dependencies=[requires("campaign:write")], summary="Pause a broadcast")
async def pause(database: Db, caller: Caller, broadcast_id: Id) -> BroadcastOut:
    """Holds what has not been handed over. Pausing again changes nothing."""
    return await _moved(database, caller, broadcast_id, BroadcastState.PAUSED)


@router.post("/{broadcast_id}/resume", dependencies=[requires("campaign:write")], summary="Resume a broadcast")
async def resume(database: Db, caller: Caller, broadcast_id: Id) -> BroadcastOut:
    """Goes on where it was paused: nobody is passed over, and nobody gets it again."""
    return await _moved(database, caller, broadcast_id, BroadcastState.RUNNING)


@router.post("/{broadcast_id}/cancel", dependencies=[requires("campaign:write")], summary="Cancel a broadcast")
async def cancel(database: Db, caller: Caller, broadcast_id: Id) -> BroadcastOut:
    """Ends it: what has not been handed over never is."""
    return await _moved(database, caller, broadcast_id, BroadcastState.CANCELLED)


async def _moved(
    database: Database, caller: Principal, broadcast_id: str, state: BroadcastState, revision: int | None = None
) -> BroadcastOut:
    async with database.work() as work:
        stored = await broadcasts.move(work, broadcast_id, state, revision=revision, by=Actor.of(caller))
    return BroadcastOut(**_fields(stored))


def _fields(stored: StoredBroadcast) -> Mapping[str, Any]:
    definition = msgspec.json.decode(stored.definition)
    del definition["id"]
    return {**msgspec.structs.asdict(stored), "definition": definition}
