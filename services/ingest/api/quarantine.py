"""The quarantine for operators, who look at payloads, repair, release and drop them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.ingest.api.requests import intake_of
from services.ingest.domain.errors import Reason
from services.ingest.schemas.quarantine import (
    DropIn,
    QuarantinedOut,
    QuarantinePage,
    ReasonsOut,
    ReleasedManyOut,
    ReleasedOut,
    ReleaseIn,
    ReleaseManyIn,
    State,
)
from services.ingest.service import quarantine
from services.ingest.service.intake import Intake
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute
from shared.service.failpoints import failpoint

router = APIRouter(route_class=GuardedRoute, prefix="/v1/quarantine", tags=["quarantine"])
At = Annotated[Intake, Depends(intake_of)]


@router.get("", dependencies=[requires("ingest:read")], summary="What was refused, newest first")
async def page(
    database: Db,
    source_id: UUID | None = None,
    reason: Reason | None = None,
    state: State | None = None,
    import_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> QuarantinePage:
    """Returns one page. Pass `next` as `cursor` for the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await quarantine.page(
            work, source_id=source_id, reason_code=reason, state=state, import_id=import_id, after=after, limit=limit
        )
    events = [QuarantinedOut.model_validate(row) for row in rows]
    last = events[-1] if len(events) == limit else None
    return QuarantinePage(events=events, next=encode_cursor(last.received_at, last.id) if last else None)


@router.get("/reasons", dependencies=[requires("ingest:read")], summary="How much is held, and why")
async def reasons(database: Db, source_id: UUID | None = None) -> ReasonsOut:
    """Returns counts by reason code, of one source or of all."""
    async with database.work() as work:
        return ReasonsOut(reasons=dict(await quarantine.reasons(work, source_id=source_id)))


@router.get("/{payload_id:uuid}", dependencies=[requires("ingest:read")], summary="One payload")
async def one(database: Db, payload_id: UUID) -> QuarantinedOut:
    """Returns the payload's bytes, its reason, and what was decided on it."""
    async with database.work() as work:
        return QuarantinedOut.model_validate(await quarantine.one(work, payload_id))


@router.post("/release", dependencies=[requires("ingest:write")], summary="Release many, by source, reason or import")
async def release_many(database: Db, intake: At, caller: Caller, body: ReleaseManyIn) -> ReleasedManyOut:
    """Releases the oldest held payloads, each in its own transaction. Those still refused stay, with their reason."""
    quarantine.repair_of(body.repair)  # an invalid one is refused even if there is nothing to release
    async with database.work() as work:
        chosen = await quarantine.chosen(
            work, source_id=body.source_id, reason_code=body.reason, import_id=body.import_id, limit=body.limit
        )
    released = [await _release(database, intake, Actor.of(caller), payload_id, body) for payload_id in chosen]
    return ReleasedManyOut(released=released)


@router.post(
    "/{payload_id}/release", dependencies=[requires("ingest:write")], summary="Release a payload, repaired or as it is"
)
async def release(database: Db, intake: At, caller: Caller, payload_id: UUID, body: ReleaseIn) -> ReleasedOut:
    """Judges the payload again, by the source's present rules, as of the time it came. Its events are folded once."""
    return await _release(database, intake, Actor.of(caller), payload_id, body)


async def _release(database: Any, intake: Intake, by: Actor, payload_id: UUID, body: ReleaseIn) -> ReleasedOut:
    repair = quarantine.repair_of(body.repair)
    how: dict[str, Any] = {"repair": repair, "partition_secret": intake.partition_secret}
    async with database.work() as work:
        if body.dry_run:
            found = await quarantine.try_release(work, intake.vault, payload_id, **how)
        else:
            found = await quarantine.release(work, intake.vault, payload_id, by=by, locate=intake.locate, **how)
    if not body.dry_run:
        failpoint("quarantine.after_release")
    return ReleasedOut.model_validate(found)


@router.post(
    "/{payload_id}/drop", status_code=204, dependencies=[requires("ingest:write")], summary="Give a payload up"
)
async def drop(database: Db, caller: Caller, payload_id: UUID, body: DropIn) -> None:
    """The payload can still be looked at until it is forgotten. 409 if it was released."""
    async with database.work() as work:
        await quarantine.drop(work, payload_id, by=Actor.of(caller), note=body.note)
