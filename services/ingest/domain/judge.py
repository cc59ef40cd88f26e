"""One event as its sender means it becomes one event of the bus, or is refused with the reason."""

from datetime import timedelta
from typing import Final

import msgspec

from services.ingest.domain.catalogue import customer_identified, vocabulary
from services.ingest.domain.definitions import consent
from services.ingest.domain.definitions.plan import Mode, Violation
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats import tracking
from services.ingest.domain.formats.tracking import Understood
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import times
from shared.contracts.envelope import Event, as_uuid, may_say, may_say_of
from shared.contracts.events import Body, ConsentChanged, CustomerIdentified, OrderPlaced, TraitSet
from shared.contracts.identity import Identity, Namespace

MAX_NAME_LENGTH: Final = 256  # characters of an event's name: names are keys of tables, and an index takes only so much

# What msgspec, arithmetic and text raise on invalid data.
INVALID_DATA: Final = (ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError)


class Normal(msgspec.Struct, frozen=True):
    """An event ready for the bus, how it violates the source's plan, and the name and properties that the plan judged.

    `unread_phone`: its telephone number links nobody, because it can't be read. `placeholders` are the namespaces of
    what it names that means nobody. `warnings` say what may not be as its sender means it.
    """

    event: Event
    violation: Violation | None
    name: str
    properties: bytes
    unread_phone: bool = False
    placeholders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def normalise(raw: bytes, context: RequestContext, *, place: int = 0) -> Normal:
    """Returns the event in the bytes of a tracking message. Raises `BadEvent` and nothing else.

    The events of a request are received one after the other, a microsecond apart by their `place`: those that the
    sender's clock puts into the same millisecond keep the order in which they were sent.
    """
    if len(raw) > context.max_event_bytes:
        limit = context.max_event_bytes
        raise BadEvent(Reason.TOO_LARGE, f"event: {len(raw)} bytes; at most {limit}, send less in it")
    try:
        return _judged(tracking.understand(raw, context), context, place)
    except INVALID_DATA as error:
        raise BadEvent(Reason.MALFORMED, f"event: {error}") from None


def judged(understood: Understood, context: RequestContext, *, place: int = 0) -> Normal:
    """Returns an understood event as the bus carries it. Raises `BadEvent` and nothing else.

    A plan that warns changes nothing of the event; one that is enforced refuses it.
    """
    try:
        return _judged(understood, context, place)
    except INVALID_DATA as error:
        raise BadEvent(Reason.MALFORMED, f"event: {error}") from None


def _judged(understood: Understood, context: RequestContext, place: int) -> Normal:
    if len(understood.name) > MAX_NAME_LENGTH:
        raise BadEvent(
            Reason.TOO_LARGE, f"event: its name is longer than {MAX_NAME_LENGTH} characters; send a short one"
        )
    violation = context.plan.judge(understood.name, understood.properties) if context.plan else None
    if violation is not None and violation.mode is Mode.ENFORCE:
        raise BadEvent(Reason.PLAN, f"{violation.text}; send what the plan says, or change the plan")
    undated = context.historical and understood.timestamp is None
    if undated and not isinstance(understood.body, CustomerIdentified | ConsentChanged):
        raise BadEvent(Reason.TIME, "timestamp: required in history, of all but traits and consent; give its time")
    historical = context.trusted and (context.historical if understood.historical is None else understood.historical)
    received_at = context.received_at + timedelta(microseconds=place)
    stated_at, occurred_at = times.occurred_at(
        understood.timestamp,
        sent_at=context.sent_at or times.moment(understood.sent_at),
        received_at=received_at,
        historical=historical,
    )
    if isinstance(understood.body, OrderPlaced) and understood.body.placed_at is not None:
        times.check(understood.body.placed_at, received_at, at="properties.placed_at")
    body = consent.as_believed(
        understood.body, trusted=context.trusted, may_say=context.may_say, address=understood.address
    )
    event = Event(
        event_id=as_uuid(context.event_id(understood.message_id)),
        source_id=context.source_name,
        source_kind=context.source_kind,
        occurred_at=occurred_at,
        received_at=received_at,
        body=body,
        identities=_in_space(understood.identities, context),
        historical=historical,
        unverified=_is_unverified(understood, context),
        traceparent=context.traceparent,
        stated_at=stated_at,
        context=understood.context,
        merges=understood.merges and context.trusted,
        undated=undated,
        source_version=understood.source_version,
        space=context.space,
    )
    return Normal(
        event,
        violation,
        understood.name,
        understood.properties,
        understood.unread_phone,
        understood.placeholders,
        (*understood.warnings, *_warnings(body)),
    )


def _warnings(body: Body) -> tuple[str, ...]:
    if isinstance(body, CustomerIdentified | TraitSet):
        return customer_identified.warnings(body.traits)
    return vocabulary.warnings(body)


def _in_space(identities: tuple[Identity, ...], context: RequestContext) -> tuple[Identity, ...]:
    if not context.space:
        return identities
    user_ids = context.user_ids
    return tuple(Identity(user_ids, one.value) if one.namespace is Namespace.USER_ID else one for one in identities)


def _is_unverified(understood: Understood, context: RequestContext) -> bool:
    kind, body = context.source_kind, type(understood.body)
    if isinstance(understood.body, ConsentChanged):
        return not (context.trusted or consent.is_believed(understood.body, context.may_say))
    believed = may_say(kind, body, allow_orders=context.allow_orders)
    return not (believed and may_say_of(kind, body, understood.identities))
