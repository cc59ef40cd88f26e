"""Sources for operators, who create, change and watch them and rotate their keys; figures, plans and mappings."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.ingest.api.requests import intake_of
from services.ingest.schemas.sources import (
    EventMade,
    FigureOut,
    FiguresOut,
    InForce,
    KeyIn,
    KeyMade,
    KeyOut,
    MappingResult,
    MappingTried,
    PlanIn,
    PlanMade,
    PlanOut,
    PlanVersionOut,
    PlanVersionsOut,
    SourceCreated,
    SourceIn,
    SourceOut,
    SourcePatch,
    SourcesOut,
    ViolationOut,
    ViolationsOut,
)
from services.ingest.service import plans, previewing, source_stats, sources
from services.ingest.service.intake import Intake
from shared.audit import Actor
from shared.contracts import wire
from shared.database.database import Database, Work
from shared.errors import Invalid
from shared.http import Caller, Db, EditOf, PageSize, etag, once, requires, scoped_key
from shared.http.guarded import GuardedRoute

TAIL_SECONDS: Final = 600  # a watch ends by itself; a client that still watches asks again
TAIL_RENEW_SECONDS: Final = 20
TAIL_POLL_SECONDS: Final = 0.5
DAYS: Final = 30
MAX_VERSION: Final = 2**31 - 1

router = APIRouter(route_class=GuardedRoute, prefix="/v1/sources", tags=["sources"])
At = Annotated[Intake, Depends(intake_of)]
Days = Annotated[int, Query(ge=1, le=366, description="how far back, in days (UTC)")]


@router.post("", status_code=201, dependencies=[requires("ingest:admin")], summary="Create a source")
async def create(
    database: Db,
    intake: At,
    caller: Caller,
    body: SourceIn,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> SourceCreated:
    """Returns the source's write key, this once: only its hash is kept. 409 if the name is taken."""
    _within(body, intake)
    shown: list[str] = []

    async def make() -> UUID:
        source_id, key = await sources.create(work, intake.vault, _set(body), by=Actor.of(caller))
        shown.append(key)
        return source_id

    async with database.work() as work:
        key = scoped_key(caller, "sources", idempotency_key)
        made, _ = await once(work, key, body.model_dump_json(), make)
    return SourceCreated(id=made, write_key=shown[0] if shown else None)


@router.get("", dependencies=[requires("ingest:read")], summary="Every source")
async def every(database: Db) -> SourcesOut:
    """Returns all sources by name, disabled ones too."""
    async with database.work() as work:
        rows = await sources.every(work)
        keys = await sources.keys(work, [row.id for row in rows])
        missing = await source_stats.missing_topics(work, {row.id: row.format for row in rows})
    return SourcesOut(sources=[_out(row, keys[row.id], missing[row.id]) for row in rows])


@router.get("/{source_id}", dependencies=[requires("ingest:read")], summary="One source")
async def one(database: Db, source_id: UUID, response: Response) -> SourceOut:
    """Returns the source with its `ETag`, for an edit."""
    async with database.work() as work:
        return await _shown(work, source_id, response)


@router.patch("/{source_id}", dependencies=[requires("ingest:admin")], summary="Change a source")
async def edit(
    database: Db, intake: At, caller: Caller, source_id: UUID, body: SourcePatch, version: EditOf, response: Response
) -> SourceOut:
    """The change takes effect within ten seconds. 412 if somebody changed the source since it was read."""
    _within(body, intake)
    async with database.work() as work:
        await sources.edit(work, intake.vault, source_id, version=version, changes=_set(body), by=Actor.of(caller))
        return await _shown(work, source_id, response)


@router.delete(
    "/{source_id}", status_code=204, dependencies=[requires("ingest:admin")], summary="Delete an unused source"
)
async def delete(database: Db, caller: Caller, source_id: UUID) -> None:
    """Deletes a source that never sent anything. 409 if it did: then disable it."""
    async with database.work() as work:
        await sources.delete(work, source_id, by=Actor.of(caller))


@router.post("/{source_id}/keys", status_code=201, dependencies=[requires("ingest:admin")], summary="Rotate the key")
async def rotate(database: Db, caller: Caller, source_id: UUID, body: KeyIn) -> KeyMade:
    """Makes a new write key. The one before works for `grace_hours` more.

    409 while two keys work already, unless `grace_hours` is 0, which ends every other key at once.
    """
    async with database.work() as work:
        grace = timedelta(hours=body.grace_hours)
        key = await sources.rotate(work, source_id, grace=grace, by=Actor.of(caller))
    return KeyMade(write_key=key)


@router.post("/{source_id}/disable", dependencies=[requires("ingest:admin")], summary="Disable a source")
async def disable(database: Db, caller: Caller, source_id: UUID, response: Response) -> SourceOut:
    """Its write keys stop working within ten seconds."""
    async with database.work() as work:
        await sources.set_disabled(work, source_id, disabled=True, by=Actor.of(caller))
        return await _shown(work, source_id, response)


@router.post("/{source_id}/enable", dependencies=[requires("ingest:admin")], summary="Enable a source again")
async def enable(database: Db, caller: Caller, source_id: UUID, response: Response) -> SourceOut:
    """Its write keys work again within ten seconds."""
    async with database.work() as work:
        await sources.set_disabled(work, source_id, disabled=False, by=Actor.of(caller))
        return await _shown(work, source_id, response)


def _within(patch: SourcePatch, intake: Intake) -> None:
    most = intake.limits.batch_bytes
    if patch.max_batch_bytes is not None and patch.max_batch_bytes > most:
        raise Invalid(f"body/max_batch_bytes: at most {most}, which BATCH_MEGABYTES sets")


def _set(patch: SourcePatch) -> dict[str, Any]:
    """Returns the fields that the patch sets. Null takes a value away; what must have a value gets its default."""
    found = patch.model_dump(exclude_unset=True, mode="json")
    nothing = {"allow_orders": False, "allowed_origins": [], "may_say": [], "format": "tracking", "kind": "server"}
    if found.get("name") is None:
        found.pop("name", None)
    return {name: nothing.get(name) if value is None else value for name, value in found.items()}


async def _shown(work: Work, source_id: UUID, response: Response) -> SourceOut:
    row = await sources.one(work, source_id)
    response.headers["ETag"] = etag(row.version)
    missing = await source_stats.missing_topics(work, {source_id: row.format})
    return _out(row, (await sources.keys(work, [source_id]))[source_id], missing[source_id])


def _out(row: msgspec.Struct, keys: Iterable[object], missing_topics: list[str]) -> SourceOut:
    fields = msgspec.structs.asdict(row)
    working = [KeyOut.model_validate(key) for key in keys]
    known = {"has_secret": fields["secret"] is not None, "missing_topics": missing_topics, "keys": working}
    return SourceOut.model_validate({**fields, **known})


# Figures, and looking on


@router.get("/{source_id}/figures", dependencies=[requires("ingest:read")], summary="What became of its events")
async def figures(database: Db, source_id: UUID, days: Days = DAYS) -> FiguresOut:
    """Returns figures by day, outcome and reason. They are a few seconds old."""
    async with database.work() as work:
        await sources.one(work, source_id)
        rows = await source_stats.figures(work, source_id, since=(work.now - timedelta(days=days - 1)).date())
    return FiguresOut(figures=[FigureOut.model_validate(row) for row in rows])


@router.get(
    "/{source_id}/tail",
    dependencies=[requires("ingest:read")],
    summary="Its events as they come, and what is made of them",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def tail(request: Request, database: Db, intake: At, source_id: UUID) -> StreamingResponse:
    """Streams server-sent events from now on: `accepted` with the event made, or `quarantined` with the reason.

    The stream ends after ten minutes. It is a sample if more than some hundred events come in a second.
    """
    async with database.work() as work:
        await sources.one(work, source_id)
        await source_stats.watch(work, source_id, until=work.now + timedelta(seconds=2 * TAIL_RENEW_SECONDS))
        [(position, _)] = await source_stats.tail_of(work, source_id, after=None)
    intake.stats.watched |= {source_id}  # the other processes learn of it within seconds
    events = _events(request, database, source_id, position)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(request: Request, database: Database, source_id: UUID, position: int) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    end, renew = now() + TAIL_SECONDS, now() + TAIL_RENEW_SECONDS
    yield b": from now on\n\n"
    ended = False
    while not ended:
        ended = now() > end or request.app.state.health.draining or await request.is_disconnected()
        async with database.work() as work:
            if now() > renew:
                renew = now() + TAIL_RENEW_SECONDS
                await source_stats.watch(work, source_id, until=work.now + timedelta(seconds=2 * TAIL_RENEW_SECONDS))
            watched = await source_stats.tail_of(work, source_id, after=position)
        for position, event in watched:
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (position, event["outcome"].encode(), msgspec.json.encode(event))
        if not watched and not ended:
            yield b":\n\n"
            await asyncio.sleep(TAIL_POLL_SECONDS)


# Mappings


@router.post(
    "/{source_id}/mapping/preview", dependencies=[requires("ingest:write")], summary="Try a mapping on a payload"
)
async def preview(database: Db, intake: At, source_id: UUID, body: MappingTried) -> MappingResult:
    """Returns the events that the mapping would make, and changes nothing. A preview costs as much as a delivery, so
    the permission to read is not enough.
    """
    async with database.work() as work:
        row = await sources.one(work, source_id)
        now = work.now
    tried = msgspec.structs.replace(row, mapping=body.mapping or row.mapping)
    messages, done = await previewing.preview(tried, intake.vault, body.payload, now)
    return MappingResult(
        messages=messages,
        events=[
            EventMade(
                event_id=event.event_id,
                type=wire.TYPE_NAMES[type(event.body)],
                occurred_at=event.occurred_at,
                identities=[str(identity) for identity in event.identities],
                body=msgspec.to_builtins(event.body),
            )
            for event in done.events
        ],
        refused=[one.error.text for one in done.refused],
    )


# Tracking plans


@router.put("/{source_id}/plan", dependencies=[requires("ingest:admin")], summary="Write a tracking plan")
async def put_plan(database: Db, caller: Caller, source_id: UUID, body: PlanIn) -> PlanMade:
    """Stores the plan as a new version, and puts it in force within ten seconds."""
    async with database.work() as work:
        version = await plans.put(work, source_id, body.model_dump(mode="json"), by=Actor.of(caller))
    return PlanMade(version=version)


@router.get("/{source_id}/plan", dependencies=[requires("ingest:read")], summary="The tracking plan in force")
async def plan(database: Db, source_id: UUID) -> PlanOut:
    """Returns the plan in force. 404 if there is none."""
    async with database.work() as work:
        return PlanOut.model_validate(await plans.in_force(work, source_id))


@router.get("/{source_id}/plan/versions", dependencies=[requires("ingest:read")], summary="Versions of the plan")
async def plan_versions(database: Db, source_id: UUID) -> PlanVersionsOut:
    """Returns every version, newest first."""
    async with database.work() as work:
        row = await sources.one(work, source_id)
        versions = [PlanVersionOut.model_validate(one) for one in await plans.versions(work, source_id)]
    return PlanVersionsOut(in_force=row.plan_version, versions=versions)


@router.get("/{source_id}/plan/versions/{version}", dependencies=[requires("ingest:read")], summary="One version")
async def plan_version(database: Db, source_id: UUID, version: Annotated[int, Path(ge=1, le=MAX_VERSION)]) -> PlanOut:
    """Returns the version as it was written."""
    async with database.work() as work:
        return PlanOut.model_validate(await plans.get(work, source_id, version))


@router.put(
    "/{source_id}/plan/in-force",
    status_code=204,
    dependencies=[requires("ingest:admin")],
    summary="Put a version in force, or none",
)
async def put_in_force(database: Db, caller: Caller, source_id: UUID, body: InForce) -> None:
    """The version is in force within ten seconds."""
    async with database.work() as work:
        await plans.put_in_force(work, source_id, body.version, by=Actor.of(caller))


@router.post("/{source_id}/plan/infer", dependencies=[requires("ingest:read")], summary="Infer a plan from samples")
async def infer(database: Db, source_id: UUID) -> PlanIn:
    """Returns a proposal that every sample fits, to be edited and written. 404 if nothing was seen yet."""
    async with database.work() as work:
        document = await plans.infer(work, source_id)
    return PlanIn.model_validate(msgspec.to_builtins(document))


@router.get("/{source_id}/violations", dependencies=[requires("ingest:read")], summary="What breaks the plan")
async def violations(
    database: Db, source_id: UUID, days: Days = DAYS, limit: Annotated[PageSize, Query()] = 50
) -> ViolationsOut:
    """Returns violations of events that the plan warns of or refuses, most frequent first; a few seconds old."""
    async with database.work() as work:
        since = (work.now - timedelta(days=days - 1)).date()
        rows = await plans.violations(work, source_id, since=since, limit=limit)
    return ViolationsOut(violations=[ViolationOut.model_validate(row) for row in rows])
