"""The routes of campaign."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from services.campaign.domain.delivery import State
from services.campaign.domain.links import MAX_TOKEN_LENGTH, Link, Links
from services.campaign.schemas import (
    DecisionOut,
    DecisionsOut,
    FiguresOut,
    FormerSendCutoffOut,
    JourneyFiguresOut,
    JourneyOut,
    JourneysOut,
    MessageOut,
    MessagesOut,
    ProviderStopOut,
    ProviderStopsOut,
    SendCutoffIn,
    SendCutoffOut,
    SendStopIn,
    SendStopOut,
    SuppressionOut,
    SuppressionsOut,
)
from services.campaign.service import confirming, operations, providers, suppressing, unsubscribing
from services.campaign.service import pages as pages_of_links
from services.campaign.service import send_cutoff as cutoffs
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, require_customer_or, requires, utc
from shared.http.guarded import GuardedRoute
from shared.http.openapi import TOLERANT
from shared.service import metrics
from shared.service.failpoints import failpoint

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["campaign"])
pages = APIRouter(prefix="/v1", tags=["links in mails"])

# Programs that scan mail follow links: nothing changes but by the button, or by a mail program's own POST (RFC 8058).
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@router.get("/journeys", dependencies=[requires("campaign:read")], summary="List journeys, and whether they run")
async def journeys(database: Db) -> JourneysOut:
    """Returns each journey in its newest version."""
    async with database.work() as work:
        return JourneysOut(journeys=[JourneyOut.of(one) for one in await operations.journeys(work)])


@router.post("/journeys/{journey_id}/pause", dependencies=[requires("campaign:write")], summary="Pause a journey")
async def pause(database: Db, caller: Caller, journey_id: str) -> JourneyOut:
    """Pauses a journey: nobody enters it. Messages not handed over yet are held, and refused once they are too old."""
    async with database.work() as work:
        return JourneyOut.of(await operations.set_active(work, journey_id, active=False, by=Actor.of(caller)))


@router.post("/journeys/{journey_id}/resume", dependencies=[requires("campaign:write")], summary="Resume a journey")
async def resume(database: Db, caller: Caller, journey_id: str) -> JourneyOut:
    """Resumes a journey. Changes that came while it was paused stay without effect."""
    async with database.work() as work:
        return JourneyOut.of(await operations.set_active(work, journey_id, active=True, by=Actor.of(caller)))


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


@router.delete(
    "/suppressions/{suppression_id}",
    status_code=204,
    dependencies=[requires("campaign:admin")],
    summary="Lift a suppression",
)
async def lift_suppression(database: Db, caller: Caller, suppression_id: UUID) -> None:
    """Lets messages go to the address again. Messages that were refused meanwhile stay refused."""
    async with database.work() as work:
        await suppressing.lift(work, suppression_id, by=Actor.of(caller))


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


Token = Annotated[str, Path(description="the token in the mail's link", max_length=MAX_TOKEN_LENGTH)]
_INVALID: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "the link is invalid or has expired"}}
# Programs that follow or count links in mails add parameters of their own.
_PAGE: Final[dict[str, Any]] = {"responses": _INVALID, "openapi_extra": dict(TOLERANT)}


@pages.get("/confirm/{token}", summary="Show the page that asks to confirm consent", **_PAGE)
async def ask_to_confirm(request: Request, token: Token) -> HTMLResponse:
    """Returns a page with a button. Opening it changes nothing."""
    link = _link(request, "confirm", token)
    return _page(link, "confirm")


@pages.post("/confirm/{token}", summary="Confirm consent", **_PAGE)
async def confirm(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Grants consent. Confirming again changes nothing."""
    link = _link(request, "confirm", token)
    if link is not None:
        async with database.work() as work:
            if not await confirming.confirm(work, request.app.state.rules, link.subject):
                link = None
    return _page(link, "confirmed")


@pages.get("/unsubscribe/{token}", summary="Show the page that asks to unsubscribe", **_PAGE)
async def ask_to_unsubscribe(request: Request, token: Token) -> HTMLResponse:
    """Returns a page with a button. Opening it changes nothing."""
    return _page(_link(request, "unsubscribe", token), "unsubscribe")


@pages.post("/unsubscribe/{token}", summary="Unsubscribe with one click", **_PAGE)
async def unsubscribe(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Withdraws consent to the mail's channel and purpose. Mail programs send this request themselves (RFC 8058)."""
    link = _link(request, "unsubscribe", token)
    if link is not None:
        async with database.work() as work:
            await unsubscribing.unsubscribe(work, request.app.state.rules, link)
    return _page(link, "unsubscribed")


def _link(request: Request, kind: str, token: str) -> Link | None:
    links: Links | None = request.app.state.rules.links
    if links is None:
        return None
    link = links.read(kind, token, request.app.state.clock.now())
    if link is None:
        metrics.consent_links.labels("invalid").inc()
    return link


def _page(link: Link | None, state: str) -> HTMLResponse:
    return HTMLResponse(pages_of_links.page(link, state), 404 if link is None else 200, PAGE_HEADERS)
