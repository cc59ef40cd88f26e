"""The pages that links in mails lead to."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from services.campaign.domain.links import MAX_TOKEN_LENGTH, Link, Links
from services.campaign.service import confirming, preferring, unsubscribing
from services.campaign.service import pages as pages_of_links
from services.campaign.service.preferring import TooManyChanges
from shared.http import Db
from shared.http.openapi import TOLERANT
from shared.service import metrics

router = APIRouter(prefix="/v1", tags=["links in mails"])

# Programs that scan mail follow links: nothing changes but by the button, or by a mail program's own POST (RFC 8058).
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


Token = Annotated[str, Path(description="the token in the mail's link", max_length=MAX_TOKEN_LENGTH)]
_INVALID: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "the link is invalid or has expired"}}
# Programs that follow or count links in mails add parameters of their own.
_PAGE: Final[dict[str, Any]] = {"responses": _INVALID, "openapi_extra": dict(TOLERANT)}


@router.get("/confirm/{token}", summary="Show the page that asks to confirm consent", **_PAGE)
async def ask_to_confirm(request: Request, token: Token) -> HTMLResponse:
    """Returns a page with a button. Opening it changes nothing."""
    link = _link(request, "confirm", token)
    return _page(link, "confirm")


@router.post("/confirm/{token}", summary="Confirm consent", **_PAGE)
async def confirm(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Grants consent. Confirming again changes nothing."""
    link = _link(request, "confirm", token)
    if link is not None:
        async with database.work() as work:
            if not await confirming.confirm(work, request.app.state.rules, link.subject):
                link = None
    return _page(link, "confirmed")


@router.get("/unsubscribe/{token}", summary="Show the page that asks to unsubscribe", **_PAGE)
async def ask_to_unsubscribe(request: Request, token: Token) -> HTMLResponse:
    """Returns a page with a button. Opening it changes nothing."""
    return _page(_link(request, "unsubscribe", token), "unsubscribe")


@router.post("/unsubscribe/{token}", summary="Unsubscribe with one click", **_PAGE)
async def unsubscribe(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Withdraws consent to the mail's channel and purpose. Mail programs send this request themselves (RFC 8058)."""
    link = _link(request, "unsubscribe", token)
    if link is not None:
        async with database.work() as work:
            await unsubscribing.unsubscribe(work, request.app.state.rules, link)
    return _page(link, "unsubscribed")


@router.get("/preferences/{token}", summary="Show what a customer agreed to", **_PAGE)
async def preferences(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Returns a page with a form. Opening it changes nothing."""
    link = _link(request, "preferences", token)
    if link is None:
        return _preferences(None, "invalid", [])
    async with database.work() as work:
        return _preferences(link, "shown", await preferring.look(work, link))


@router.post("/preferences/{token}", summary="Change what a customer agreed to", **_PAGE)
async def change_preferences(request: Request, database: Db, token: Token) -> HTMLResponse:
    """Grants what is ticked, and withdraws what is not: `agreed`, once for each, in a form's encoding."""
    link = _link(request, "preferences", token)
    if link is None:
        return _preferences(None, "invalid", [])
    form = parse_qsl((await request.body()).decode("ascii", "replace"), max_num_fields=None)
    ticked = {value for name, value in form if name == "agreed"}
    try:
        async with database.work() as work:
            found = await preferring.change(work, request.app.state.rules, link, ticked)
    except TooManyChanges:
        return _preferences(link, "full", [], status=429)
    return _preferences(link, "saved", found)


def _preferences(
    link: Link | None, state: str, found: Sequence[preferring.Preference], *, status: int = 200
) -> HTMLResponse:
    page = pages_of_links.preferences_page(link, state, found)
    return HTMLResponse(page, 404 if link is None else status, PAGE_HEADERS)


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
