"""What operators do and ask: messages, decisions, the send stop and the send cutoff, providers, suppressions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from services.campaign.domain.delivery import State
from services.campaign.schemas.operations import (
    DecisionOut,
    DecisionsOut,
    FiguresOut,
    FormerSendCutoffOut,
    JourneyFiguresOut,
    MessageOut,
    MessagesOut,
    ProviderStopOut,
    ProviderStopsOut,
    SendCutoffIn,
    SendCutoffOut,
    SendStopIn,
    SendStopOut,
    SuppressionOut,
    SuppressionsAddedOut,
    SuppressionsIn,
    SuppressionsOut,
)
from services.campaign.service import operations, providers, suppressing
from services.campaign.service import send_cutoff as cutoffs
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, require_customer_or, requires, utc
from shared.http.guarded import GuardedRoute
from shared.service.failpoints import failpoint

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["campaign"])


@router.get("/messages", dependencies=[requires("campaign:read")], summary="List messages, newest first")
async def messages(
    database: Db,
    journey: str | None = None,
    state: State | None = None,
    profile_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> MessagesOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it. The id of a merged profile still works."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await operations.messages(
            work, journey_id=journey, state=state, profile_id=profile_id, after=after, limit=limit
        )
    last = rows[-1] if len(rows) == limit else None
    found = [MessageOut.model_validate(row) for row in rows]
    return MessagesOut(messages=found, next=encode_cursor(last.created_at, last.id) if last else None)


@router.get(
    "/messages/figures", dependencies=[requires("campaign:read")], summary="Count messages by journey and state"
)
async def figures(database: Db) -> FiguresOut:
    """Returns counts over all messages, and how long customers waited."""
    async with database.work() as work:
        found = await operations.figures(work)
    return FiguresOut(journeys=[JourneyFiguresOut.model_validate(one) for one in found])


@router.get("/profiles/{profile_id}/decisions", summary="List the decisions about a customer's messages, newest first")
async def decisions(
    database: Db, caller: Caller, profile_id: UUID, limit: Annotated[PageSize, Query()] = 50
) -> DecisionsOut:
    """Returns why the customer did or did not get messages. The id of a merged profile still works. A customer's own
    token may ask for that customer.
    """
    async with database.work() as work:
        await require_customer_or("campaign:read", caller, work, profile_id)
        rows = await operations.decisions(work, profile_id, limit=limit)
    return DecisionsOut(decisions=[DecisionOut.model_validate(row) for row in rows])


@router.get("/send-stop", dependencies=[requires("campaign:read")], summary="Read whether all sending is stopped")
async def send_stop(database: Db) -> SendStopOut:
    """Returns whether all sending is stopped, since when, by whom and why. A paused journey and an awaited send cutoff
    hold messages back, too. `providers` has the channels whose provider takes nothing from us.
    """
    async with database.work() as work:
        return SendStopOut.of(await operations.send_stop(work), await providers.stops(work))


@router.post("/send-stop", dependencies=[requires("campaign:admin")], summary="Stop all sending")
async def stop_sending(database: Db, caller: Caller, body: SendStopIn | None = None) -> SendStopOut:
    """Stops every message that was not handed to its provider yet. Stopping again changes nothing."""
    reason = body.reason if body else ""
    async with database.work() as work:
        stopped = await operations.stop_sending(work, by=Actor.of(caller), reason=reason)
        return SendStopOut.of(stopped, await providers.stops(work))


@router.delete(
    "/send-stop", status_code=204, dependencies=[requires("campaign:admin")], summary="Let messages leave again"
)
async def resume_sending(database: Db, caller: Caller) -> None:
    """Ends the stop. Messages that were held and are not too old leave within some seconds."""
    async with database.work() as work:
        await operations.resume_sending(work, by=Actor.of(caller))


@router.get(
    "/provider-stops",
    dependencies=[requires("campaign:read")],
    summary="List channels whose provider takes nothing from us",
)
async def provider_stops(database: Db) -> ProviderStopsOut:
    """Returns each with the provider's reply, what to do, and when it is tried again by itself."""
    async with database.work() as work:
        return ProviderStopsOut(stops=[ProviderStopOut.of(one) for one in await providers.stops(work)])


@router.post(
    "/provider-stops/{channel}/retry",
    dependencies=[requires("campaign:admin")],
    summary="Try a provider again at once",
)
async def retry_provider(database: Db, caller: Caller, channel: str) -> ProviderStopsOut:
    """Lets one message leave now. If its provider takes it, the others follow within some seconds. Does nothing for a
    channel that is not stopped.
    """
    async with database.work() as work:
        await providers.try_again(work, channel, by=Actor.of(caller))
        return ProviderStopsOut(stops=[ProviderStopOut.of(one) for one in await providers.stops(work)])


@router.get(
    "/suppressions", dependencies=[requires("campaign:read")], summary="List suppressed addresses, newest first"
)
async def suppressions(
    database: Db,
    address: Annotated[str | None, Query(description="this address alone", max_length=320)] = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> SuppressionsOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await suppressing.page(work, address=address, after=after, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    return SuppressionsOut(
        suppressions=[SuppressionOut.model_validate(one) for one in rows],
        next=encode_cursor(last.suppressed_at, last.id) if last else None,
    )


@router.post("/suppressions", status_code=201, dependencies=[requires("campaign:admin")], summary="Suppress addresses")
async def suppress(database: Db, caller: Caller, body: SuppressionsIn) -> SuppressionsAddedOut:
    """Lets nothing go to these addresses until somebody lifts it; those that are suppressed already stay as they are.

    422 names the addresses that are none; nothing is suppressed then.
    """
    async with database.work() as work:
        added, already = await suppressing.add(
            work, body.channel, body.addresses, reason=body.reason, by=Actor.of(caller)
        )
    return SuppressionsAddedOut(added=added, already=already)


@router.delete(
    "/suppressions/{suppression_id}",
    status_code=204,
    dependencies=[requires("campaign:admin")],
    summary="Lift a suppression",
)
async def lift_suppression(
    database: Db,
    caller: Caller,
    suppression_id: UUID,
    reason: Annotated[str, Query(description="why, for whoever reads it later", max_length=500)] = "",
) -> None:
    """Lets messages go to the address again. Messages that were refused meanwhile stay refused."""
    async with database.work() as work:
        await suppressing.lift(work, suppression_id, reason=reason, by=Actor.of(caller))


@router.get(
    "/send-cutoff",
    dependencies=[requires("campaign:read")],
    summary="Read the send cutoff, and whether one is awaited",
)
async def send_cutoff(database: Db) -> SendCutoffOut:
    """Returns the send cutoff. After a restore of the database no message leaves until one is set: `awaiting` is true
    then, with since when and why.
    """
    async with database.work() as work:
        return SendCutoffOut.of(await cutoffs.look(work))


@router.post(
    "/send-cutoff",
    dependencies=[requires("campaign:admin")],
    summary="Set the send cutoff, and let messages leave again after a restore",
)
async def set_send_cutoff(database: Db, caller: Caller, body: SendCutoffIn) -> SendCutoffOut:
    """Sets the send cutoff. Messages for triggers from before it are never sent; later ones leave within some seconds.

    A cutoff in the future is refused, and so is one before the current cutoff.
    """
    at = utc(body.at)
    async with database.work() as work:
        found = await cutoffs.set_send_cutoff(work, at, by=Actor.of(caller))
    failpoint("send_cutoff.after_set")
    return SendCutoffOut.of(found)


@router.get("/floor", dependencies=[requires("campaign:read")], include_in_schema=False)
async def former_send_cutoff(database: Db) -> FormerSendCutoffOut:
    """Returns what `/send-cutoff` returns, under its former name."""
    async with database.work() as work:
        return FormerSendCutoffOut.of(await cutoffs.look(work))


@router.post("/floor", dependencies=[requires("campaign:admin")], include_in_schema=False)
async def set_former_send_cutoff(database: Db, caller: Caller, body: SendCutoffIn) -> FormerSendCutoffOut:
    """Does what `/send-cutoff` does, under its former name."""
    async with database.work() as work:
        return FormerSendCutoffOut.of(await cutoffs.set_send_cutoff(work, utc(body.at), by=Actor.of(caller)))
