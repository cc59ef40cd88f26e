"""The typed routes, CloudEvents and webhooks: for storefronts, back offices, upstream systems and shops.

Writers authenticate by a source's write key (webhooks by their signature), as on the tracking routes; errors are
`application/problem+json`.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from services.ingest.api.examples import BINARY, CLOUDEVENT, WEBHOOK
from services.ingest.api.requests import RequestSender, intake_of
from services.ingest.api.tracking import keys_of
from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import BadEvent, BadRequest, Reason, TrackingError
from services.ingest.domain.formats import cloudevents, typed
from services.ingest.domain.formats.webhooks import registry
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.signature import BadSignature
from services.ingest.domain.payload import MAX_WEBHOOK_BYTES, IngestMethod, Payload
from services.ingest.domain.request import body
from services.ingest.domain.request.context import RequestContext
from services.ingest.schemas.facts import BatchTaken, FactAccepted, RefusedEvent, WebhookTaken
from services.ingest.service import triage
from services.ingest.service.intake import Intake
from services.ingest.service.refusals import busy, database_refusal
from services.ingest.service.sources import UnknownSource
from services.ingest.service.triage import TriageResult
from shared.database.database import DATABASE_ERRORS
from shared.errors import Invalid, Unauthorized
from shared.http import problem
from shared.http.openapi import TOLERANT, WRITE_KEY, schema_of
from shared.service.logging import traceparent

MAX_KEY_LENGTH: Final = 200  # characters of an Idempotency-Key
MAX_EVENTS: Final = 2_500  # of a batch of CloudEvents
TAKEN: Final = 202

router = APIRouter(prefix="/v1")


async def _body(request: Request, limit_bytes: int, source: Source | None = None) -> bytes:
    """Returns the body of a request. A source, if it is known by now, has in its figures that a limit was met."""
    intake = intake_of(request)
    reader = body.BodyReader(limit_bytes=limit_bytes, large=None if source is None else intake.large_bodies)
    try:
        return await reader.read(request.stream())
    except BadRequest as error:
        if source is not None and error.code == body.TOO_LARGE:
            intake.stats.limited(source.id, 1, intake.clock.now(), error.detail)
        raise
    except body.NoRoom:
        raise busy() from None
    finally:
        reader.close()


async def _source(request: Request) -> Source:
    """Returns the source that a request authenticates as."""
    bearer = request.headers.get("authorization", "")
    token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else None
    return await intake_of(request).source_of(keys_of(request, token))


async def _or_refusal(taking: Awaitable[TriageResult]) -> TriageResult:
    try:
        return await taking
    except DATABASE_ERRORS as error:
        raise database_refusal(error) from None


async def _take(request: Request, source: Source, payloads: Sequence[Payload]) -> TriageResult:
    intake, context = intake_of(request), _request_context(request, source, len(payloads))
    return await _or_refusal(intake.take(source, payloads, context))


async def _take_under_key(request: Request, source: Source, payload: Payload) -> TriageResult:
    intake, context = intake_of(request), _request_context(request, source, 1)
    return await _or_refusal(intake.take_fact(source, payload, context))


async def _take_delivery(request: Request, source: Source, payload: Payload) -> TriageResult:
    intake, context = intake_of(request), _request_context(request, source, 1)
    return await _or_refusal(intake.take_webhook(source, payload, context))


def _request_context(request: Request, source: Source, events: int) -> RequestContext:
    intake = intake_of(request)
    sender = RequestSender(request)
    intake.admit(source, events, sender)
    return intake.context(
        source,
        sender,
        intake.clock.now(),
        traceparent=traceparent(),
        max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES,
    )


# One route for each kind of fact


def _add_typed_routes() -> None:
    for kind in TYPED_ROUTES:
        router.add_api_route(
            f"/{kind}",
            _takes(kind),
            methods=["POST"],
            name=f"post_{kind.replace('-', '_')}",
            tags=["facts"],
            status_code=TAKEN,
            summary=(TYPED_ROUTES[kind].body.__doc__ or "").splitlines()[0].rstrip("."),
            description=_KEYS[TYPED_ROUTES[kind].key],
            responses={422: {"description": "what is wrong, and where; the event is kept in the quarantine"}},
            openapi_extra={
                "requestBody": _request_body(kind),
                "security": WRITE_KEY,
                "parameters": [_idempotency_key(kind)],
            },
        )


_KEYS: Final[Mapping[str, str]] = {
    "state": "Each request is a statement of its own: of several about one thing the latest counts, so to send one "
    "again changes nothing. An `Idempotency-Key` makes a repetition one with the first, on the timeline, too.",
    "moment": "The same body with its `occurred_at` is the same fact. Without one an `Idempotency-Key` is required.",
    "header": "An `Idempotency-Key` is required. Requests with the same key are the same fact.",
}


def _takes(kind: str) -> Any:
    async def take(request: Request) -> FactAccepted:
        idempotency_key = request.headers.get("idempotency-key", "")
        if len(idempotency_key) > MAX_KEY_LENGTH:
            raise Invalid(f"header/Idempotency-Key: at most {MAX_KEY_LENGTH} characters")
        source = await _source(request)
        raw = await _body(request, source.max_event_bytes, source)
        payload = Payload(way=IngestMethod.TYPED, raw=raw, around={"kind": kind, "idempotency_key": idempotency_key})
        done = await (
            _take_under_key(request, source, payload) if idempotency_key else _take(request, source, [payload])
        )
        if done.refused:
            refused = done.refused[0].error
            raise BadEvent(refused.reason, typed.placed(kind, refused.text))
        return FactAccepted(event_id=UUID(done.event_ids[0].decode()))

    return take


def _idempotency_key(kind: str) -> dict[str, Any]:
    """Returns the description of the header; the example is one that this kind of fact can be sent with."""
    required = TYPED_ROUTES[kind].key == "header"
    schema = {"type": "string", "maxLength": MAX_KEY_LENGTH, **({"minLength": 1} if required else {})}
    header = {"name": "Idempotency-Key", "in": "header", "required": required, "schema": schema}
    return {**header, "description": _KEYS[TYPED_ROUTES[kind].key], **({"example": "7d1f0c52"} if required else {})}


def _request_body(kind: str) -> dict[str, Any]:
    route = TYPED_ROUTES[kind]
    content = {"schema": schema_of(route.body), "example": route.example}
    return {"required": True, "content": {"application/json": content}}


# CloudEvents


@router.post(
    "/cloudevents",
    tags=["facts"],
    status_code=TAKEN,
    summary="Send CloudEvents 1.0, structured, binary or in a batch",
    responses={422: {"description": "what is wrong, and where; the event is kept in the quarantine"}},
    openapi_extra={
        "security": WRITE_KEY,
        "parameters": BINARY,
        "requestBody": {
            "required": True,
            "content": {
                cloudevents.MEDIA_TYPE: {"schema": {"type": "object"}, "example": CLOUDEVENT},
                cloudevents.BATCH_MEDIA_TYPE: {
                    "schema": {"type": "array"},  # anything in it but an event is among `refused`
                    "example": [CLOUDEVENT],
                },
                "application/json": {
                    "schema": {"type": "object"},
                    "example": CLOUDEVENT["data"],
                },
            },
        },
    },
    response_model=FactAccepted | BatchTaken,
)
async def take_cloudevents(request: Request) -> FactAccepted | BatchTaken:
    """The content type says which mode it is: `application/cloudevents+json`, `application/cloudevents-batch+json`, or
    the data's own with the attributes in `ce-` headers. An invalid event never fails a batch.
    """
    source = await _source(request)
    raw = await _body(request, source.max_batch_bytes, source)
    content_type = request.headers.get("content-type", "")
    media = content_type.partition(";")[0].strip().lower()
    if media == cloudevents.BATCH_MEDIA_TYPE:
        return await _take_batch(request, source, raw)
    if media != cloudevents.MEDIA_TYPE:
        raw = _structured(request, content_type, raw)
    done = await _take(request, source, [Payload(way=IngestMethod.CLOUDEVENTS, raw=raw)])
    if done.refused:
        raise done.refused[0].error
    return FactAccepted(event_id=UUID(done.event_ids[0].decode()))


def _structured(request: Request, content_type: str, raw: bytes) -> bytes:
    attributes = {
        name.removeprefix("ce-"): cloudevents.header_text(value)
        for name, value in request.headers.items()
        if name.startswith("ce-")
    }
    if "specversion" not in attributes:
        raise BadEvent(
            Reason.FORMAT, "ce-specversion: required in the binary mode; or send application/cloudevents+json"
        )
    try:
        return cloudevents.structured(attributes, content_type, raw)
    except msgspec.MsgspecError as error:
        raise BadRequest("invalid_json", f"body: {error}") from None


async def _take_batch(request: Request, source: Source, raw: bytes) -> BatchTaken:
    try:
        events = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest("invalid_json", f"body: {error}") from None
    if len(events) > MAX_EVENTS:
        raise BadRequest("too_many", f"body: {len(events)} events; at most {MAX_EVENTS} in one batch")
    payloads = [Payload(way=IngestMethod.CLOUDEVENTS, raw=bytes(event)) for event in events]
    done = await _take(request, source, payloads)
    places = {id(payload): n for n, payload in enumerate(payloads)}
    refused = [
        RefusedEvent(index=places[id(one.payload)], reason_code=one.error.reason.value, reason=one.error.text)
        for one in done.refused
    ]
    return BatchTaken(accepted=len(done.accepted), refused=refused)


# Webhooks


@router.post(
    "/webhooks/{source_id}",
    tags=["facts"],
    summary="Deliver a webhook of a shop",
    openapi_extra={
        "security": [{}, *WRITE_KEY],  # signed, or with the write key of a source that signs nothing
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}, "example": WEBHOOK}}},
        **TOLERANT,  # a refused delivery would be lost
    },
)
async def take_webhook(request: Request, source_id: UUID) -> WebhookTaken:
    """Give this address to the vendor. The source's `format` names the vendor, and its `secret` signs the deliveries.

    The status is 200 once the delivery is durable. A delivery that can't be understood is quarantined with status 200,
    too, since sending it again would change nothing. A repeated delivery makes the same events.
    """
    intake = intake_of(request)
    raw = await body.BodyReader(limit_bytes=MAX_WEBHOOK_BYTES).read(request.stream())
    source = await _webhook_source(intake, source_id)
    headers = registry.headers_of(request.headers.items())
    delivery = Delivery(raw=raw, headers=headers)
    registry.verify(source.format, source.secret, delivery, now=intake.clock.now())
    if source.secret is None:  # a generic source that signs nothing authenticates by its write key
        known = await _source(request)
        if known.id != source.id:
            raise BadSignature("the write key is another source's", challenge="Basic")
    kept = registry.vouched(source.format, source.secret, headers)
    done = await _take_delivery(request, source, Payload(way=IngestMethod.WEBHOOK, raw=raw, around={"headers": kept}))
    return WebhookTaken(
        events=len(done.accepted), quarantined=len(done.refused), ignored=done.ignored[0] if done.ignored else None
    )


async def _webhook_source(intake: Intake, source_id: UUID) -> Source:
    try:
        source = await intake.source_by_id(source_id)
    except DATABASE_ERRORS as error:
        raise database_refusal(error) from None
    if source is None or source.format not in registry.VENDORS:
        raise UnknownSource(f"no source of webhooks {source_id}")
    return source


async def on_tracking_error(_: Request, error: Exception) -> JSONResponse:
    """Returns the response to an error of the intake outside the tracking routes, which have their own shape for it."""
    assert isinstance(error, TrackingError)
    challenge = {"WWW-Authenticate": 'Basic realm="write key"'} if error.status == Unauthorized.status else {}
    return problem(error.status, error.slug(), error.title(), error.detail, headers={**challenge, **error.headers})


_add_typed_routes()
