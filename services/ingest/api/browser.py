"""For pages: a script that sends what visitors do, and a pixel for mails and pages without scripts."""

import base64
import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.ingest.api.requests import RequestSender, intake_of
from services.ingest.api.tracking import CORS
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import TrackingError
from services.ingest.domain.formats import pixel
from services.ingest.service.refusals import ForeignOrigin
from shared.contracts.envelope import SourceKind
from shared.database.database import DATABASE_ERRORS
from shared.http.openapi import TOLERANT
from shared.service.logging import get_logger, traceparent

SCRIPT: Final = Path(__file__).resolve().parent.parent / "static" / "rapport.js"
SCRIPT_SECONDS: Final = 3600  # for which browsers keep it
GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # one transparent point

SCRIPTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/javascript": {"schema": {"type": "string"}}}},
    304: {"description": "The browser has this version already"},
}
PIXELS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/gif": {"schema": {"type": "string", "format": "binary"}}}},
}
# All others are properties of the event.
PARAMETERS: Final = [
    {
        "name": name,
        "in": "query",
        "description": text,
        "schema": {"type": "string", "pattern": r"^[^\u0000]*$"},
        "example": example,
    }
    for name, text, example in (
        ("event", "the event's name; without it, a page view", "Mail Opened"),
        ("userId", "who it is about", "42"),
        ("anonymousId", "who it is about, if that is a visitor whom nobody knows", "0f2b8a6e"),
        ("messageId", "requests with the same id are the same event", "mail-7-42"),
    )
]

log = get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["browser"])


@cache
def _script() -> tuple[bytes, bytes, str]:
    """Returns the script, the same as gzip, and its tag."""
    plain = SCRIPT.read_bytes()
    return plain, gzip.compress(plain, mtime=0), f'"{hashlib.blake2b(plain, digest_size=16).hexdigest()}"'


@router.get(
    "/rapport.js",
    summary="The browser snippet",
    response_class=Response,
    responses=SCRIPTS,
    openapi_extra=dict(TOLERANT),  # pages add a version because of caches
)
async def script(request: Request) -> Response:
    """The script sends page views, identify and track calls. docs/ingest.md shows how a page loads it."""
    plain, packed, tag = _script()
    headers = {**CORS, "Cache-Control": f"public, max-age={SCRIPT_SECONDS}", "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        plain = packed
    return Response(plain, media_type="text/javascript; charset=utf-8", headers=headers)


@router.get(
    "/pixel.gif",
    summary="The pixel",
    response_class=Response,
    responses=PIXELS,
    openapi_extra={"security": [{}, {"writeKeyInQuery": []}], "parameters": PARAMETERS, **TOLERANT},
)
async def gif(request: Request) -> Response:
    """The address is one event: `writeKey`, `event` (by default a page view), `userId` or `anonymousId`, `messageId`;
    any other parameter is a property. The response is always the image, because nobody reads anything else.

    Only keys of public sources are accepted: an address is kept in histories and logs. If the source has allowed
    origins, the event counts only if the browser says which page shows the image, and that page is one of them.
    """
    intake = intake_of(request)
    try:
        source = await intake.source_of([request.query_params.get("writeKey", "")])
        _admit(request, source)
        message = pixel.message(request.query_params.multi_items(), referrer=request.headers.get("referer", ""))
        context = intake.context(source, RequestSender(request), intake.clock.now(), traceparent=traceparent())
        raw = msgspec.json.encode(message)
        await intake.hand_on(source, await intake.triage(source, [raw], context, dict), context.received_at)
    except TrackingError as error:
        log.debug("pixel.not_taken", error=repr(error))  # anybody can make such calls: they must not fill the log
    except DATABASE_ERRORS as error:
        log.warning("pixel.dependency_away", error=repr(error))
    return Response(GIF, media_type="image/gif", headers={**CORS, "Cache-Control": "no-store"})


def _admit(request: Request, source: Source) -> None:
    """Returns if the pixel may send for this source now; raises `TrackingError`."""
    if source.kind is not SourceKind.PUBLIC:
        raise ForeignOrigin("kind", "write key: a server's key is a secret, and has no place in an address")
    headers = request.headers
    page = pixel.page_origin(origin=headers.get("origin", ""), referrer=headers.get("referer", ""))
    if source.allowed_origins and not page:
        text = "origin: the browser does not name the page, and this source allows certain pages only"
        raise ForeignOrigin("origin", text)
    intake_of(request).admit(source, 1, RequestSender(request, page))
