"""The routes that SDKs send to: Segment's HTTP tracking API, down to the shape of its answers.

These routes authenticate by write key, answer exactly `200 {"success": true}`, and say errors as
`{"code", "message"}`: SDKs send again whatever is answered differently.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from services.ingest import service
from services.ingest.api.examples import EXAMPLES
from services.ingest.domain import body, times
from services.ingest.domain.errors import BadRequest
from services.ingest.domain.reception import Reception
from services.ingest.schemas import Accepted, TrackingProblem
from services.ingest.service import Busy, KeyCache, NotUnderstood, Source, TrackingError, UnknownKey
from shared.db import DATABASE_ERRORS, Database
from shared.failpoints import failpoint
from shared.http import RETRY_AFTER_SECONDS
from shared.kafka.producer import BrokerAway
from shared.logging import get_logger, traceparent

# An address by itself says the type of its one event; None stands for a batch, whose events say theirs.
ROUTES: Final[dict[str, str | None]] = {
    "batch": None,
    "track": "track",
    "identify": "identify",
    "page": "page",
    "screen": "screen",
    "group": "group",
    "alias": "alias",
}
ALSO: Final[dict[str, str | None]] = {
    "import": None,
    "import/": None,
    **{name[0]: type_ for name, type_ in ROUTES.items()},
}

CORS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
PREFLIGHT: Final = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Retry-Count",
    "Access-Control-Max-Age": "86400",
}
SUCCESS: Final = b'{"success": true}'

log = get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["tracking"])

Answer = Callable[[Request], Awaitable[Response]]


def _sdk(answer: Answer) -> Answer:
    """Errors in the shape that SDKs know, and CORS on every answer."""

    async def answered(request: Request) -> Response:
        try:
            response = await answer(request)
        except TrackingError as error:
            response = JSONResponse({"code": error.code, "message": error.detail}, error.status, error.headers)
        response.headers.update(CORS)
        return response

    return answered


def _takes(type_: str | None) -> Answer:
    async def take(request: Request) -> Response:
        try:
            await _take(request, type_)
        except BadRequest as error:
            raise NotUnderstood(error.code, error.text) from None
        except ClientDisconnect:
            raise NotUnderstood("disconnected", "body: the connection ended before it was complete") from None
        except (BrokerAway, *DATABASE_ERRORS) as error:
            log.warning("tracking.dependency_away", error=repr(error))
            raise Busy(
                "unavailable", "send it again later", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
            ) from None
        return Response(SUCCESS, media_type="application/json")

    return _sdk(take)


async def _take(request: Request, type_: str | None) -> None:
    """Takes in a request's events. Returns only when each is acknowledged by the broker, or in the quarantine.

    The quarantine is written first: it keeps an event once however often it comes, so that a client which must
    send again, because the broker was away, leaves nothing twice.
    """
    state = request.app.state
    received_at = state.clock.now()
    reader = body.BodyReader()
    async for chunk in request.stream():
        reader.feed(chunk)
    envelope, whole = body.parse(reader.finish())
    source = await _source(request, _keys(request, envelope.write_key))
    reception = Reception(
        source_id=source.id,
        source_kind=source.kind,
        allow_orders=source.allow_orders,
        received_at=received_at,
        new_message_id=service.new_message_id,
        sent_at=times.moment(envelope.sent_at),
        context=body.context_of(envelope),
        historical=envelope.historical is True,
        type=type_,
        traceparent=traceparent(),
    )
    raws = body.events_of(envelope) if type_ is None else [body.single(whole)]
    done = service.sort(raws, reception, partition_secret=state.partition_secret)
    if done.refused:
        database: Database = state.database
        async with database.work() as work:
            await service.quarantine(work, source.id, done.refused)
        failpoint("ingest.after_quarantine")
    await service.publish(state.publisher, done.accepted)
    failpoint("ingest.after_publish")
    service.count(done)


async def _source(request: Request, keys: Sequence[str]) -> Source:
    """The source of the first key that has one; raises `UnknownKey`."""
    cache: KeyCache = request.app.state.keys
    database: Database = request.app.state.database
    for key in keys:
        key_hash = service.hash_of(key)
        fresh, source = cache.get(key_hash)
        if not fresh:
            async with database.work() as work:
                source = await service.source_of(work, key_hash)
            cache.put(key_hash, source)
        if source is not None:
            return source
    raise UnknownKey("unauthorized", "write key: send a valid one as Basic user name, or as writeKey in the body")


def _keys(request: Request, in_body: Any) -> list[str]:
    """The write keys in a request. SDKs send the same one in several places, or in any of them."""
    keys = [_basic_user(request.headers.get("authorization", "")), in_body, request.query_params.get("writeKey")]
    return list(dict.fromkeys(key for key in keys if isinstance(key, str) and key))


def _basic_user(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip() + "==").decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


@_sdk
async def ignore(_: Request) -> Response:
    """Metrics of the browser SDK about itself: accepted, and not used."""
    return Response(SUCCESS, media_type="application/json")


@_sdk
async def sdk_settings(request: Request) -> Response:
    """What an SDK asks before it sends: where to."""
    key = request.path_params["write_key"]
    try:
        await _source(request, [key])
    except DATABASE_ERRORS:
        raise Busy("unavailable", "ask again later", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}) from None
    host = request.app.state.public_host or request.headers.get("host", "")
    return JSONResponse({"integrations": {"Segment.io": {"apiKey": key, "apiHost": f"{host}/v1"}}})


async def preflight() -> Response:
    """What browsers ask before they send to another site."""
    return Response(headers=PREFLIGHT)


def _add_routes() -> None:
    refusals: dict[int | str, dict[str, Any]] = {status: {"model": TrackingProblem} for status in (400, 401, 503)}
    for name, type_ in (ROUTES | ALSO).items():
        router.add_api_route(
            f"/{name}",
            _takes(type_),
            methods=["POST"],
            name=name,
            summary=f"Send a {name} call" if type_ else "Send a batch of calls",
            description="200 once every event is acknowledged by the broker, or in the quarantine with its reason. "
            "Authenticate with a source's write key: as Basic user name, as `writeKey` in the body or in the query.",
            response_model=Accepted,
            responses=refusals,
            openapi_extra={"requestBody": EXAMPLES[name]} if name in EXAMPLES else None,
            include_in_schema=name in ROUTES,
        )
    router.add_api_route("/m", ignore, methods=["POST"], include_in_schema=False)
    router.add_api_route(
        "/projects/{write_key}/settings", sdk_settings, methods=["GET"], summary="Where an SDK should send to"
    )
    for path in (*ROUTES, *ALSO, "m", "projects/{write_key}/settings"):
        router.add_api_route(f"/{path}", preflight, methods=["OPTIONS"], include_in_schema=False)


_add_routes()
