"""A payload as it came in, by whichever method, and what it means: one place, so that all methods are judged alike.

A refused payload is kept with all that is needed to judge it again: its bytes, its method, and what stood around it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats import cloudevents, typed
from services.ingest.domain.formats.exact_ids import exact
from services.ingest.domain.formats.files import BEYOND, PROBLEM
from services.ingest.domain.formats.tracking import Understood
from services.ingest.domain.formats.webhooks.delivery import Delivery, Translated
from services.ingest.domain.formats.webhooks.registry import TELLING_HEADERS, VENDORS
from services.ingest.domain.judge import INVALID_DATA
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values.message import keepable, text

MAX_WEBHOOK_BYTES: Final = 2_000_000  # an order with many lines; what becomes of it has the limits of any event


class IngestMethod(StrEnum):
    """How a payload came in."""

    TRACKING = "tracking"
    TYPED = "typed"
    CLOUDEVENTS = "cloudevents"
    WEBHOOK = "webhook"
    FILE = "file"


_EVENTS: Final = (IngestMethod.TRACKING, IngestMethod.CLOUDEVENTS)  # whose payload is one event

# What stands around a payload and distinguishes it from another of the same bytes. The rest differs between retries.
_TELLING: Final = ("kind", "idempotency_key", "type", "file", "row")


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of one payload, and what stood around them in their request. `way` is the method."""

    way: IngestMethod
    raw: bytes
    around: Mapping[str, Any] = {}

    @property
    def fingerprint(self) -> str:
        """The digest that a payload has again whenever it is sent again."""
        headers = self.around.get("headers", {})
        telling = [self.way, *map(self.around.get, _TELLING), *map(headers.get, TELLING_HEADERS)]
        return hashlib.sha256(msgspec.json.encode(telling) + self.raw).hexdigest()


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a payload means: messages of the tracking API, or an event that is understood already.

    `also_known` has other names of orders, and the orders'; `ignored` says why a payload means nothing here; `nobodys`
    are orders of which it says that no customer is known.
    """

    messages: list[bytes] = []
    understood: Understood | None = None
    also_known: Mapping[str, str] = {}
    ignored: str = ""
    nobodys: tuple[str, ...] = ()


def meaning(payload: Payload, context: RequestContext, form: str, mapper: Mapper | None) -> Meaning:
    """Returns what a payload means, by the rules of its source. Raises `BadEvent` and nothing else."""
    keepable(payload.raw, at="event" if payload.way in _EVENTS else "body")
    try:
        return _MEANINGS[payload.way](payload, context, form, mapper)
    except INVALID_DATA as error:
        raise BadEvent(Reason.MALFORMED, f"body: {error}") from None


def _tracking(payload: Payload, *_: Any) -> Meaning:
    return Meaning(messages=[payload.raw])


def _typed(payload: Payload, context: RequestContext, *_: Any) -> Meaning:
    around = payload.around
    key = around.get("idempotency_key", "")
    return Meaning(understood=typed.understand(around["kind"], payload.raw, key, context))


def _cloudevent(payload: Payload, context: RequestContext, *_: Any) -> Meaning:
    return Meaning(understood=cloudevents.understand(payload.raw, context))


def _webhook(payload: Payload, _: RequestContext, form: str, mapper: Mapper | None) -> Meaning:
    delivery = Delivery(raw=payload.raw, headers=payload.around.get("headers", {}))
    translate = VENDORS[form].translate
    found = _mapped(delivery, mapper) if translate is None else translate(delivery)
    if not found.messages:
        return Meaning(ignored=found.ignored or "no rule of the mapping applies", nobodys=found.nobodys)
    return Meaning(messages=_named(found.messages, found.delivery_id), also_known=found.also_known)


def _mapped(delivery: Delivery, mapper: Mapper | None) -> Translated:
    if mapper is None:
        raise BadEvent(Reason.MAPPING, "mapping: this source has no mapping yet; give it one, then release this event")
    delivery_id = delivery.header("webhook-id") or delivery.digest()  # the header is kept only where it is signed
    return Translated(delivery_id=delivery_id, messages=mapper.apply(msgspec.json.decode(delivery.raw)))


def _file(payload: Payload, _: RequestContext, __: str, mapper: Mapper | None) -> Meaning:
    """Returns what a row of a file means, or a group of rows. An event without an id gets one made of its place in the
    file.
    """
    row = _decode_object(payload.raw)
    lines = row.get("rows")
    for one in (row, *(lines if isinstance(lines, list) else ())):
        if isinstance(one, dict) and (problem := _problem(one)):
            raise BadEvent(Reason.MALFORMED, f"row: {problem}")
    messages = [exact(one) for one in ([row] if mapper is None else mapper.apply(row))]
    place = f"{payload.around['file']}/{payload.around['row']}"
    return Meaning(messages=_named(messages, place), ignored="no rule of the mapping applies")


def _problem(row: Mapping[str, Any]) -> str:
    if BEYOND in row:
        return f"more fields than there are columns: {row[BEYOND]}"
    return text(row.get(PROBLEM))


def _named(messages: Sequence[dict[str, Any]], place: str) -> list[bytes]:
    """Returns messages with ids that are the same if this payload comes again: their own, or made of its place."""
    own = Counter(text(one.get("messageId")) for one in messages)
    named: list[bytes] = []
    for number, message in enumerate(messages):
        message_id = text(message.get("messageId"))
        if not message_id:
            message_id = hashlib.blake2b(f"{place}/{number}".encode(), digest_size=20).hexdigest()
        elif own[message_id] > 1:  # several events of one receipt, say
            message_id = hashlib.blake2b(f"{message_id}/{number}".encode(), digest_size=20).hexdigest()
        named.append(_encode({**message, "messageId": message_id}))
    return named


_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

_MEANINGS: Final[Mapping[IngestMethod, Callable[..., Meaning]]] = {
    IngestMethod.TRACKING: _tracking,
    IngestMethod.TYPED: _typed,
    IngestMethod.CLOUDEVENTS: _cloudevent,
    IngestMethod.WEBHOOK: _webhook,
    IngestMethod.FILE: _file,
}
