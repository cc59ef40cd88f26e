"""The routes that SDKs send to: Segment's HTTP tracking API, down to the shape of its responses.

These routes authenticate by write key, respond with exactly `200 {"success": true}`, and report errors as
`{"code", "message"}`: some SDKs take any other response for a failure, and send again or give up.
"""

import base64
from datetime import datetime
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from services.ingest.api.examples import EXAMPLES
from services.ingest.api.requests import RequestSender, intake_of
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import BadEvent, BadRequest, Reason, TrackingError
from services.ingest.domain.request import body
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import times
from services.ingest.schemas.tracking import Accepted, TrackingProblem
from services.ingest.service import triage
from services.ingest.service.intake import Intake
from services.ingest.service.refusals import WrongMethod, busy, database_refusal
from services.ingest.service.triage import TriageResult
from shared.contracts import keepable
from shared.contracts.keepable import NotKeepable
from shared.database.database import DATABASE_ERRORS
from shared.http.fast_routes import Handler
from shared.http.openapi import TOLERANT, WRITE_KEY
from shared.service.logging import get_logger, traceparent

# An address names the type of its one event; None stands for a batch, whose events name their types.
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
SUCCESS: Final = Response(b'{"success": true}', media_type="application/json", headers=CORS)  # sent again and again

log = get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["tracking"])


def _sdk(handler: Handler) -> Handler:
    """Wraps a handler: errors get the shape that SDKs know, and CORS, without which browsers would not show them."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except TrackingError as error:
            problem = {"code": error.code, "message": keepable.text(error.detail)}
            return JSONResponse(problem, error.status, {**error.headers, **CORS})

    return answered


def _takes(type_: str | None) -> Handler:
    async def take(request: Request) -> Response:
        try:
            await _take(request, type_)
        except body.NoRoom:
            raise busy() from None
        except ClientDisconnect:
            raise BadRequest("disconnected", "body: the connection ended before it was complete") from None
        except DATABASE_ERRORS as error:
            raise database_refusal(error) from None
        return SUCCESS

    return _sdk(take)


async def _take(request: Request, type_: str | None) -> None:
    """Takes in a request's events."""
    intake = intake_of(request)
    received_at = intake.clock.now()
    source, done = await _triaged(intake, request, type_, received_at)  # by now nothing holds the request's bytes
    await intake.hand_on(source, done, received_at)


async def _triaged(
    intake: Intake, request: Request, type_: str | None, received_at: datetime
) -> tuple[Source, TriageResult]:
    """Returns a request's events, understood or refused."""
    keys = named = keys_of(request, None) if type_ is None else []
    known = await intake.known(named)
    reader = body.BodyReader()
    if known is not None:
        reader = body.BodyReader(limit_bytes=known.max_batch_bytes, large=intake.large_bodies)
    try:
        envelope, whole = body.parse(await reader.read(request.stream()))
        keys = keys_of(request, envelope.write_key)
        source = known if known is not None and keys == named else await intake.source_of(keys)
        body.within(whole, source.max_batch_bytes if type_ is None else source.max_event_bytes)
        raws = body.events_of(envelope) if type_ is None else [whole]
        return source, await _triaged_events(intake, request, source, envelope, raws, type_, received_at)
    except BadRequest as error:
        if error.code == body.TOO_LARGE:
            await intake.limit_met(keys, error.detail, received_at)
        raise
    finally:
        reader.close()


async def _triaged_events(
    intake: Intake,
    request: Request,
    source: Source,
    envelope: body.Envelope,
    raws: list[bytes],
    type_: str | None,
    received_at: datetime,
) -> TriageResult:
    sender = RequestSender(request)
    intake.admit(source, len(raws), sender)
    fields: dict[str, Any] = {
        "sent_at": times.moment(envelope.sent_at),
        "historical": envelope.historical is True,
        "type": type_,
        "traceparent": traceparent(),
    }
    try:
        context = body.context_of(envelope)
    except NotKeepable as error:
        request_context = intake.context(source, sender, received_at, **fields)
        text = f"context: {error}; it is the batch's own, and its events are kept without it"
        refusal = BadEvent(Reason.MALFORMED, text)
        return triage.refuse(raws, refusal, _surroundings(request_context, None))
    request_context = intake.context(source, sender, received_at, context=context, **fields)
    return await intake.triage(source, raws, request_context, lambda: _surroundings(request_context, envelope.context))


def _surroundings(request_context: RequestContext, context: msgspec.Raw | None) -> dict[str, Any]:
    """Returns what a refused event needs to be judged again as it was."""
    fields = {
        "type": request_context.type,
        "sent_at": request_context.sent_at,
        "historical": request_context.historical,
        "address": request_context.address,
        "user_agent": request_context.user_agent,
        "context": msgspec.json.decode(context) if context else None,
    }
    return {name: value for name, value in fields.items() if value}


def keys_of(request: Request, in_body: Any) -> list[str]:
    """Returns the write keys in a request. SDKs send the same one in several places, or in any of them."""
    in_query = request.query_params.get("writeKey") if request.scope["query_string"] else None
    keys = [_basic_user(request.headers.get("authorization", "")), in_body, in_query]
    return list(dict.fromkeys(key for key in keys if isinstance(key, str) and key))


def _basic_user(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip() + "==").decode().partition(":")[0]
    except ValueError:  # not base64, not even ASCII, or not text
        return ""


@_sdk
async def ignore(_: Request) -> Response:
    """Accepts the metrics of the browser SDK about itself, and does not use them."""
    return SUCCESS


@_sdk
async def sdk_settings(request: Request) -> Response:
    """Returns the host that an SDK should send to. SDKs ask before they send."""
    key = request.path_params["write_key"]
    try:
        await intake_of(request).source_of([key])
    except DATABASE_ERRORS as error:
        raise database_refusal(error) from None
    host = request.app.state.public_host or request.headers.get("host", "")
    return JSONResponse({"integrations": {"Segment.io": {"apiKey": key, "apiHost": f"{host}/v1"}}}, headers=CORS)


@_sdk
async def wrong_method(_: Request) -> Response:
    """Refuses other methods, with CORS: without it a browser would not show the mistake to the page's developer."""
    raise WrongMethod("method", "events: send them by POST", headers={"Allow": "OPTIONS, POST"})


async def preflight() -> Response:
    """Returns the headers that browsers ask for before they send to another site."""
    return Response(headers=PREFLIGHT)


# The same handlers by their addresses, for callers that find them without the framework.
DIRECT: Final[dict[str, Handler]] = {f"/v1/{name}": _takes(type_) for name, type_ in (ROUTES | ALSO).items()}


def _add_routes() -> None:
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": TrackingProblem, "description": text}
        for status, text in (
            (400, "The request can't be read"),
            (401, "No source has this write key"),
            (429, "The source sends more than it may"),
            (503, "No durable store accepts events now; send the request again later"),
            ("4XX", "The request was refused"),
        )
    }
    for name, type_ in (ROUTES | ALSO).items():
        router.add_api_route(
            f"/{name}",
            DIRECT[f"/v1/{name}"],
            methods=["POST"],
            name=name,
            summary=f"Send calls of `{name}`" if type_ else "Send a batch of calls",
            description="The status is 200 once every event is acknowledged by the broker, or is in the quarantine "
            "with its reason. Authenticate with a source's write key: as Basic user name, or as `writeKey` in the body "
            "or in the query. Query parameters that SDKs add are ignored.",
            response_model=Accepted,
            responses=refusals,
            openapi_extra={"security": WRITE_KEY, "requestBody": EXAMPLES.get(name), **TOLERANT},
            include_in_schema=name in ROUTES,
        )
    router.add_api_route("/m", ignore, methods=["POST"], include_in_schema=False, openapi_extra=dict(TOLERANT))
    router.add_api_route(
        "/projects/{write_key}/settings",
        sdk_settings,
        methods=["GET"],
        summary="Where an SDK should send to",
        responses=refusals,
        openapi_extra={
            "parameters": [{"name": "write_key", "in": "path", "required": True, "schema": {"type": "string"}}],
            **TOLERANT,
        },
    )
    for path in (*ROUTES, *ALSO, "m"):
        router.add_api_route(
            f"/{path}",
            wrong_method,
            methods=["GET", "PUT", "PATCH", "DELETE"],
            include_in_schema=False,
            openapi_extra=dict(TOLERANT),
        )
    for path in (*ROUTES, *ALSO, "m", "projects/{write_key}/settings"):
        router.add_api_route(
            f"/{path}", preflight, methods=["OPTIONS"], include_in_schema=False, openapi_extra=dict(TOLERANT)
        )


_add_routes()
