"""One message as an SDK sent it becomes one event of the bus, or is refused with the reason."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.ingest.domain import identity, message, times, vocabulary
from services.ingest.domain.body import MAX_EVENT_BYTES
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.message import NO_CONTEXT, Consent, Context, Message, Page, as_context, as_dict, text
from shared.contracts.envelope import Event, SourceKind, event_id, may_say
from shared.contracts.events import Body, CustomerIdentified, CustomEvent, PageViewed
from shared.contracts.identity import Identity, Namespace

MAX_MESSAGE_ID_LENGTH: Final = 100  # characters

MAX_DEPTH: Final = 64  # levels; JSON readers recurse, and each has a limit of its own
# Strings are tokens, too, so that the brackets in them are not counted.
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What holds for every event of one request. `type` is set where the address says it."""

    source_id: UUID
    source_kind: SourceKind
    allow_orders: bool
    received_at: datetime
    new_message_id: Callable[[], str]
    sent_at: datetime | None = None
    context: Context = NO_CONTEXT
    historical: bool = False
    type: str | None = None
    traceparent: str | None = None

    @property
    def trusted(self) -> bool:
        """Whether this source is a company's own server."""
        return self.source_kind is SourceKind.SERVER


def normalise(raw: bytes, reception: Reception) -> Event:
    """The event in these bytes; raises `BadEvent` and nothing else."""
    if len(raw) > MAX_EVENT_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"event: {len(raw)} bytes; at most {MAX_EVENT_BYTES}, send less in it")
    if _too_deep(raw):
        raise BadEvent(Reason.MALFORMED, f"event: nested deeper than {MAX_DEPTH} levels; send it flatter")
    try:
        return _normalise(raw, reception)
    except (ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise BadEvent(Reason.MALFORMED, f"event: {error}") from None


def _too_deep(raw: bytes) -> bool:
    """Whether JSON is nested deeper than every reader behind can be relied on to follow."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False  # so it is with nearly every event, and cheap to see
    depth = deepest = 0
    for token in _STRUCTURE.findall(raw):
        depth += (token in b"{[") - (token in b"}]")
        deepest = max(deepest, depth)
    return deepest > MAX_DEPTH


def _normalise(raw: bytes, reception: Reception) -> Event:
    said = message.parse(raw)
    kind = reception.type or said.type
    rule = RULES.get(kind or "")
    if rule is None:
        raise BadEvent(Reason.TYPE, f"type: must be one of {', '.join(RULES)}")
    context = message.merged(reception.context, as_context(said.context))
    message_id = _message_id(said, reception)
    traits = identity.of_customer(said, context, of_group=kind == "group")
    historical = reception.trusted and _is_historical(context, reception)
    occurred_at = times.occurred_at(
        said.timestamp,
        sent_at=reception.sent_at or times.moment(said.sent_at),
        received_at=reception.received_at,
        historical=historical,
    )
    call = Call(said, context, traits, message_id, trusted=reception.trusted)
    body = rule(call)
    return Event(
        event_id=event_id(reception.source_id, message_id),
        source_id=str(reception.source_id),
        source_kind=reception.source_kind,
        occurred_at=occurred_at,
        received_at=reception.received_at,
        body=body,
        identities=_identities(call, kind or ""),
        historical=historical,
        claim=not (reception.allow_orders or may_say(reception.source_kind, type(body))),
        traceparent=reception.traceparent,
    )


def _message_id(said: Message, reception: Reception) -> str:
    found = text(said.message_id)
    if len(found) > MAX_MESSAGE_ID_LENGTH:
        raise BadEvent(Reason.MESSAGE_ID, f"messageId: longer than {MAX_MESSAGE_ID_LENGTH} characters")
    return found or reception.new_message_id()


def _is_historical(context: Context, reception: Reception) -> bool:
    return reception.historical if context.historical is None else context.historical is True


# What each kind of call says


@dataclass(frozen=True, slots=True)
class Call:
    """A message with what its surroundings add. `traits` are the customer's, in their normal form."""

    said: Message
    context: Context
    traits: dict[str, Any]
    message_id: str
    trusted: bool


def _track(call: Call) -> Body:
    name = text(call.said.event)
    if not name:
        raise BadEvent(Reason.REQUIRED, "event: required; send the name of what happened")
    properties = message.properties(call.said)
    typed = vocabulary.understood(name, properties, call.message_id)
    return CustomEvent(name=name, properties=message.decode_object(properties)) if typed is None else typed


def _identify(call: Call) -> CustomerIdentified:
    return CustomerIdentified(traits=call.traits, consent=_consent(call.context) if call.trusted else {})


def _page(call: Call) -> PageViewed:
    own = _decode_page(message.properties(call.said))
    around = call.context.page if isinstance(call.context.page, Page) else Page()
    return PageViewed(
        url=text(own.url) or text(around.url),
        path=text(own.path) or text(around.path),
        title=text(own.title) or text(around.title) or text(call.said.name),
        referrer=text(own.referrer) or text(around.referrer),
    )


def _group(call: Call) -> CustomEvent:
    group_id = text(call.said.group_id)
    if not group_id:
        raise BadEvent(Reason.REQUIRED, "groupId: required; send the group's own id")
    return CustomEvent(name="Group Identified", properties={"group_id": group_id, "traits": as_dict(call.said.traits)})


def _alias(_: Call) -> CustomEvent:
    return CustomEvent(name="Alias")


RULES: Final[Mapping[str, Callable[[Call], Body]]] = {
    "track": _track,
    "identify": _identify,
    "page": _page,
    "screen": _page,
    "group": _group,
    "alias": _alias,
}

_decode_page: Final = msgspec.json.Decoder(Page).decode


def _consent(context: Context) -> dict[str, bool]:
    if not isinstance(context.consent, Consent) or not context.consent.category_preferences:
        return {}
    try:
        return msgspec.convert(context.consent.category_preferences, dict[str, bool])
    except msgspec.ValidationError:
        raise BadEvent(
            Reason.CONSENT, 'context.consent.categoryPreferences: send true or false for each channel, {"email": true}'
        ) from None


def _identities(call: Call, kind: str) -> tuple[Identity, ...]:
    if kind != "alias":
        return identity.identities(call.said, call.context, call.traits, trusted=call.trusted)
    # The old name of a customer is the one they had before they were known.
    old = identity.named(Namespace.ANONYMOUS_ID, call.said.previous_id, at="previousId")
    new = identity.named(Namespace.USER_ID, call.said.user_id, at="userId")
    if old is None or new is None:
        raise BadEvent(Reason.IDENTITY, "identity: alias needs a userId and a previousId, and neither may mean nobody")
    return new, old
