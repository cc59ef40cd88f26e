"""Journeys: drafts, versions, and the runs of customers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.campaign.api.channels import Channels
from services.campaign.domain.journey.run import Customer
from services.campaign.schemas.journeys import (
    DraftOut,
    DryRunIn,
    DryRunOut,
    ImpactsOut,
    JourneyChange,
    JourneyIn,
    JourneyOut,
    JourneySaved,
    JourneysOut,
    JourneyVersionOut,
    JourneyVersionsOut,
    MadeUpIn,
    PublishIn,
    RunIn,
    RunOut,
    RunsOut,
    ShelfJourneyOut,
    ShelfOut,
    StepOut,
    TraceOut,
    WarningOut,
)
from services.campaign.service import journeys, known, rehearsing, runs, shelf
from services.campaign.service.journeys import Shown
from shared.audit import Actor
from shared.http import Caller, Db, EditOf, PageSize, decode_cursor, encode_cursor, etag, require_customer_or, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["journeys"])
Id = Annotated[str, Path(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80, description="a journey's id")]
IdempotencyKey = Annotated[UUID | None, Header(alias="Idempotency-Key", description="a UUID: the same one enters once")]
State = Literal["active", "finished", "exited"]


@router.get("/journeys", dependencies=[requires("campaign:read")], summary="List journeys, and whether they run")
async def every(database: Db) -> JourneysOut:
    """Returns each journey in its newest version, with its draft."""
    async with database.work() as work:
        return JourneysOut(journeys=[JourneyOut(**_fields(one)) for one in await journeys.every(work)])


@router.post("/journeys", status_code=201, dependencies=[requires("campaign:write")], summary="Create a journey")
async def create(database: Db, channels: Channels, caller: Caller, body: JourneyIn, response: Response) -> JourneySaved:
    """Creates a draft, which does nothing until it is published. Returns it with its `ETag`. 409 if the id is taken.

    422 has each mistake of the definition with its place, a JSON pointer into it.
    """
    async with database.work() as work:
        shown, problems = await journeys.create(
            work, body.id, body.definition, await known.look(work, channels), by=Actor.of(caller)
        )
    response.headers["ETag"] = etag(shown.revision)
    return JourneySaved(**_fields(shown), warnings=WarningOut.all_of(problems))


@router.get("/shelf", dependencies=[requires("campaign:read")], summary="List the journeys that come ready")
async def on_shelf() -> ShelfOut:
    """Returns each with its definition and its templates. None does anything until it is taken and published."""
    return ShelfOut(journeys=[ShelfJourneyOut.model_validate(one) for one in shelf.every()])


@router.post(
    "/shelf/{journey_id}/take",
    status_code=201,
    dependencies=[requires("campaign:write")],
    summary="Take a journey from the shelf",
)
async def take(database: Db, channels: Channels, caller: Caller, journey_id: Id, response: Response) -> JourneySaved:
    """Makes a draft of it, to be looked at, changed and published, and publishes its templates. 409 if it was taken."""
    async with database.work() as work:
        shown, problems = await shelf.take(work, journey_id, channels, by=Actor.of(caller))
    response.headers["ETag"] = etag(shown.revision)
    return JourneySaved(**_fields(shown), warnings=WarningOut.all_of(problems))


@router.get("/journeys/{journey_id}", dependencies=[requires("campaign:read")], summary="Read a journey")
async def one(database: Db, journey_id: Id, response: Response) -> JourneyOut:
    """Returns the journey with its `ETag`, for an edit."""
    async with database.work() as work:
        shown = await journeys.one(work, journey_id)
    response.headers["ETag"] = etag(shown.revision)
    return JourneyOut(**_fields(shown))


@router.put("/journeys/{journey_id}", dependencies=[requires("campaign:write")], summary="Change a journey's draft")
async def change(
    database: Db,
    channels: Channels,
    caller: Caller,
    journey_id: Id,
    body: JourneyChange,
    revision: EditOf,
    response: Response,
) -> JourneySaved:
    """What is published stays as it is until the draft is. 412 if somebody changed it since it was read."""
    async with database.work() as work:
        shown, problems = await journeys.change(
            work, journey_id, body.definition, await known.look(work, channels), revision=revision, by=Actor.of(caller)
        )
    response.headers["ETag"] = etag(shown.revision)
    return JourneySaved(**_fields(shown), warnings=WarningOut.all_of(problems))


@router.get(
    "/journeys/{journey_id}/impact", dependencies=[requires("campaign:read")], summary="See whom a draft concerns"
)
async def impact(database: Db, channels: Channels, journey_id: Id) -> ImpactsOut:
    """Returns each node that the draft adds, removes or changes, with the runs that stand before, at and past it."""
    async with database.work() as work:
        return ImpactsOut.of(await journeys.impact(work, journey_id, await known.look(work, channels)))


@router.post(
    "/journeys/{journey_id}/publish", dependencies=[requires("campaign:write")], summary="Publish a journey's draft"
)
async def publish(
    database: Db,
    channels: Channels,
    caller: Caller,
    journey_id: Id,
    revision: EditOf,
    response: Response,
    body: PublishIn | None = None,
) -> JourneySaved:
    """Makes the draft a version, which never changes, and which customers enter from now on."""
    async with database.work() as work:
        shown, problems, moved = await journeys.publish(
            work,
            journey_id,
            await known.look(work, channels),
            revision=revision,
            move=body.move if body else "stay",
            by=Actor.of(caller),
        )
    response.headers["ETag"] = etag(shown.revision)
    return JourneySaved(**_fields(shown), warnings=WarningOut.all_of(problems), moved=moved)


@router.post("/journeys/{journey_id}/dry-run", dependencies=[requires("campaign:read")], summary="Try a journey")
async def dry_run(database: Db, channels: Channels, journey_id: Id, body: DryRunIn) -> DryRunOut:
    """Takes a made-up customer through the draft, or a definition, step by step. Nothing is sent or written."""
    async with database.work() as work:
        found = await rehearsing.dry_run(
            work,
            journey_id,
            body.definition,
            await known.look(work, channels),
            entered_by=_made_up(body.entered_by),
            later=[_made_up(one) for one in body.later],
            customer=Customer(
                time_zone=body.time_zone,
                tiers=body.tiers,
                stage=body.stage,
                segments=frozenset(body.segments),
            ),
            profile_id=body.profile_id,
            messages=body.messages,
        )
    return DryRunOut.model_validate(found)


@router.get(
    "/journeys/{journey_id}/versions", dependencies=[requires("campaign:read")], summary="List a journey's versions"
)
async def versions(database: Db, journey_id: Id) -> JourneyVersionsOut:
    """Returns what was ever published, newest first."""
    async with database.work() as work:
        rows = await journeys.versions(work, journey_id)
    return JourneyVersionsOut(
        versions=[
            JourneyVersionOut(
                version=row.version,
                active=row.active,
                published_at=row.published_at,
                published_by=row.published_by,
                definition=journeys.written(journey),
            )
            for row, journey in rows
        ]
    )


@router.post("/journeys/{journey_id}/pause", dependencies=[requires("campaign:write")], summary="Pause a journey")
async def pause(database: Db, caller: Caller, journey_id: Id) -> JourneyOut:
    """Pauses a journey: nobody enters it. Messages not handed over yet are held, and refused once they are too old."""
    async with database.work() as work:
        return JourneyOut(**_fields(await journeys.set_active(work, journey_id, active=False, by=Actor.of(caller))))


@router.post("/journeys/{journey_id}/resume", dependencies=[requires("campaign:write")], summary="Resume a journey")
async def resume(database: Db, caller: Caller, journey_id: Id) -> JourneyOut:
    """Resumes a journey. Changes that came while it was paused stay without effect."""
    async with database.work() as work:
        return JourneyOut(**_fields(await journeys.set_active(work, journey_id, active=True, by=Actor.of(caller))))


@router.post(
    "/journeys/{journey_id}/runs",
    status_code=201,
    dependencies=[requires("campaign:write")],
    summary="Let a customer into a journey",
)
async def enter(
    request: Request,
    database: Db,
    caller: Caller,
    journey_id: Id,
    body: RunIn,
    key: IdempotencyKey = None,
) -> RunOut:
    """Lets a customer in, whatever sets the journey off, by its other rules. 409 says why if they don't enter."""
    async with database.work() as work:
        return RunOut.model_validate(
            await runs.enter(
                work,
                journey_id,
                body.profile_id,
                body.properties,
                event_id=key,
                partition_secret=_secret(request),
                by=Actor.of(caller),
            )
        )


@router.get(
    "/journeys/{journey_id}/runs",
    dependencies=[requires("campaign:read")],
    summary="List a journey's runs, newest first",
)
async def of_journey(
    database: Db,
    journey_id: Id,
    state: State | None = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> RunsOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await runs.of_journey(work, journey_id, state=state, after=after, limit=limit)
    following = encode_cursor(rows[-1].entered_at, rows[-1].id) if len(rows) == limit else None
    return RunsOut(runs=[RunOut.model_validate(row) for row in rows], next=following)


@router.get("/profiles/{profile_id}/runs", summary="List a customer's runs, newest first")
async def of_customer(
    database: Db, caller: Caller, profile_id: UUID, limit: Annotated[PageSize, Query()] = 50
) -> RunsOut:
    """Returns the journeys that the customer is or was in. The id of a merged profile still works. A customer's own
    token may ask for that customer.
    """
    async with database.work() as work:
        await require_customer_or("campaign:read", caller, work, profile_id)
        rows = await runs.of_customer(work, profile_id, limit=limit)
    return RunsOut(runs=[RunOut.model_validate(row) for row in rows])


@router.get("/runs/{run_id}", dependencies=[requires("campaign:read")], summary="Read a run, and what it did")
async def trace(database: Db, run_id: UUID) -> TraceOut:
    """Returns where the run stands, and every step that it took, with why."""
    async with database.work() as work:
        run, steps = await runs.trace(work, run_id)
    fields = RunOut.model_validate(run).model_dump()
    return TraceOut(**fields, steps=[StepOut.model_validate(step) for step in steps])


@router.post(
    "/runs/{run_id}/end", dependencies=[requires("campaign:write")], summary="Take a customer out of a journey"
)
async def end(request: Request, database: Db, caller: Caller, run_id: UUID) -> RunOut:
    """Ends a run where it stands. What it has sent is sent; what it was about to send is not. Again changes nothing."""
    async with database.work() as work:
        return RunOut.model_validate(
            await runs.end(work, run_id, partition_secret=_secret(request), by=Actor.of(caller))
        )


def _made_up(event: MadeUpIn) -> rehearsing.MadeUp:
    return rehearsing.MadeUp(event.event, event.at, event.properties)


def _fields(shown: Shown) -> Mapping[str, Any]:
    draft = None
    if shown.draft is not None:
        draft = DraftOut(
            revision=shown.draft.revision,
            definition=msgspec.json.decode(shown.draft.definition),
            updated_at=shown.draft.updated_at,
            updated_by=shown.draft.updated_by,
        )
    return JourneyOut.fields(shown.journey_id, shown.published, draft)


def _secret(request: Request) -> bytes:
    secret: bytes = request.app.state.rules.partition_secret
    return secret
