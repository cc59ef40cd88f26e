"""CloudEvents 1.0 in JSON, as upstream systems emit them, become what they mean here.

Source: CloudEvents specification 1.0.2, JSON event format 1.0.2.

A type of our own (`rapport.order_placed.v2`, or an earlier version of it) is taken as the contract has it, money in
minor units. Any other type is the name of an event in the source's own words, and its data are the properties. Who it
is about stands in `subject` (`user_id:42`), in the extensions `userid` and `anonymousid`, or in `data.customer`.
"""

import base64
import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from services.ingest.domain.catalogue import contract
from services.ingest.domain.catalogue.understanding import understood
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.tracking import Understood
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import identity, phone, times
from services.ingest.domain.values.message import NO_CONTEXT, Message, Scalar, as_dict, keepable
from shared.contracts import wire
from shared.contracts.events import FACTS, Body, CustomerIdentified, CustomEvent, MessageSent

MEDIA_TYPE: Final = "application/cloudevents+json"
BATCH_MEDIA_TYPE: Final = "application/cloudevents-batch+json"
SPECVERSION: Final = "1.0"
OURS: Final = "rapport."

# What any sender may say, by its name in any version. Facts that only our own services know are not among them.
TYPES: Final[Mapping[str, type[Body]]] = {
    name: body for name, body in wire.BODIES.items() if body in FACTS and body not in (MessageSent, CustomEvent)
}

_BOOLEANS: Final = {"true": True, "false": False}  # CloudEvents 1.0.2, section 2.3

_LISTED: Final = sorted(name.removeprefix(OURS) for name in TYPES if name in wire.TYPE_NAMES.values())


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the JSON format, as far as it is read."""

    specversion: str
    id: str
    source: str
    type: str
    time: str | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None
    userid: Scalar = None
    anonymousid: Scalar = None
    historical: bool | str | None = None


class CustomerInData(msgspec.Struct, frozen=True, kw_only=True):
    """Who an event is about, in its data."""

    user_id: Scalar = None
    anonymous_id: Scalar = None
    email: Scalar = None
    phone: Scalar = None
    country: Any = None


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    customer: Any = None
    traits: Any = None


class _Call(msgspec.Struct, frozen=True):
    message: Message
    traits: dict[str, Any]
    message_id: str
    context: RequestContext


_decode: Final = msgspec.json.Decoder(CloudEvent).decode
_decode_data: Final = msgspec.json.Decoder(_Data).decode
_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


def understand(raw: bytes, context: RequestContext) -> Understood:
    """Returns what a CloudEvent means. Raises `BadEvent`, or what msgspec raises."""
    if len(raw) > context.max_event_bytes:
        limit = context.max_event_bytes
        raise BadEvent(Reason.TOO_LARGE, f"event: {len(raw)} bytes; at most {limit}, send less in it")
    event = _decode(keepable(raw))
    if event.specversion != SPECVERSION:
        raise BadEvent(Reason.FORMAT, f"specversion: {event.specversion!r}; send CloudEvents {SPECVERSION}")
    for name in ("id", "source", "type"):
        if not getattr(event, name):
            raise BadEvent(Reason.REQUIRED, f"{name}: required by CloudEvents; it must not be empty")
    if event.time is not None and times.moment(event.time) is None:
        raise BadEvent(Reason.TIME, f"time: {times.unreadable(event.time)}")
    data = _data(event)
    call = _call(event, data, context)
    name, body, properties = _body(event, data, call)
    identities = identity.identities(call.message, call.traits, trusted=context.trusted)
    return Understood(
        name=name,
        body=body,
        message_id=call.message_id,
        identities=identities,
        properties=properties,
        timestamp=event.time,
        context=context.event_context(b"").known,
        historical=_historical(event.historical),
        address=identity.email_in(call.traits) or "" if context.may_say else "",
        unread_phone=context.trusted and phone.is_unread(call.traits),
        placeholders=identity.placeholders(call.message, call.traits, identities, trusted=context.trusted),
    )


def _historical(value: bool | str | None) -> bool | None:
    """Returns whether the event is history. The binary mode has texts only, and SDKs write them as their language does.

    Raises `BadEvent` for any other text: history that is taken for news sends mails.
    """
    if value is None or isinstance(value, bool):
        return value
    found = _BOOLEANS.get(value.strip().lower())
    if found is None:
        raise BadEvent(Reason.FORMAT, f"historical: {value[:60]!r}; send true or false")
    return found


def header_text(value: str) -> str:
    """Returns an attribute in a header's value, which is given as Latin-1.

    CloudEvents' HTTP binding (section 3.1.3.2) has it percent-encoded. The SDKs of Go and Java send UTF-8 as it is.
    """
    with contextlib.suppress(UnicodeError):  # an older client's Latin-1
        value = value.encode("latin-1").decode()
    return unquote(value)


def message_id_of(source: str, event_id: str) -> str:
    """Returns one id of bounded length for source and id, which together distinguish CloudEvents."""
    return hashlib.blake2b(f"{source}\n{event_id}".encode(), digest_size=24).hexdigest()


def structured(attributes: Mapping[str, str], content_type: str, data: bytes) -> bytes:
    """Returns an event of the binary mode in the JSON format: its attributes (without `ce-`), and its data.

    Raises `msgspec.DecodeError` for data that is announced as JSON and is not: it could add attributes of its own.
    """
    members: dict[str, Any] = {**attributes}
    if content_type:
        members["datacontenttype"] = content_type
    if not data:
        return msgspec.json.encode(members)
    if is_json(content_type):
        try:
            return msgspec.json.encode({**members, "data": _decode_raw(data)})
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply") from None
    return msgspec.json.encode({**members, "data_base64": base64.b64encode(data).decode()})


def is_json(content_type: str) -> bool:
    """Returns whether data of this content type is JSON; without one it is (CloudEvents, section 3.1.1)."""
    media = content_type.partition(";")[0].strip().lower()
    return not media or media.endswith(("/json", "+json"))


def _data(event: CloudEvent) -> bytes:
    if not is_json(event.datacontenttype or ""):
        raise BadEvent(Reason.FORMAT, f"datacontenttype: {event.datacontenttype!r}; send data in application/json")
    if event.data_base64 is None:
        raw = bytes(event.data)
        return b"{}" if raw in (b"", b"null") else raw
    try:
        raw = base64.b64decode(event.data_base64, validate=True)
    except ValueError:
        raise BadEvent(Reason.FORMAT, "data_base64: not base64") from None
    return keepable(raw, at="data") or b"{}"


def _body(event: CloudEvent, data: bytes, call: _Call) -> tuple[str, Body, bytes]:
    if event.type.startswith(OURS):
        return event.type, _ours(event.type, data, call), data
    name, properties = call.context.renaming.apply(event.type, data)
    typed = understood(name, properties, call.message_id)
    if typed is None:
        fields = _decode_object(properties)
        typed = CustomEvent(
            name=name, properties={key: value for key, value in fields.items() if not _names_customer(key, value)}
        )
    return name, typed, properties


def _names_customer(name: str, value: Any) -> bool:
    """Returns whether a property says who the event is about. A `customer` that is a text is a plain property."""
    return name == "customer" and isinstance(value, dict)


def _ours(type_: str, data: bytes, call: _Call) -> Body:
    if type_ not in TYPES:
        raise BadEvent(Reason.TYPE, f"type: {type_!r} can't be sent; of {OURS} there are {', '.join(_LISTED)}")
    try:
        body = contract.checked(wire.decode_body(type_, data), at="data")
    except msgspec.MsgspecError as error:
        raise BadEvent(Reason.MALFORMED, f"data: {error}; send what the contract of {type_} says") from None
    if isinstance(body, CustomerIdentified):
        return CustomerIdentified(traits=call.traits, consent=body.consent)
    return body


def _call(event: CloudEvent, data: bytes, context: RequestContext) -> _Call:
    """Returns who the event is about, as a call of the tracking API would say it."""
    fields = _decode_data(data)
    try:
        customer = msgspec.convert(as_dict(fields.customer), CustomerInData)
    except msgspec.ValidationError as error:
        raise BadEvent(Reason.MALFORMED, f"data.customer: {error}") from None
    namespace, _, value = (event.subject or "").partition(":")
    subject = {namespace: value} if value else {}
    message = Message(
        user_id=subject.get("user_id") or event.userid or customer.user_id,
        anonymous_id=subject.get("anonymous_id") or event.anonymousid or customer.anonymous_id,
        traits={
            **as_dict(fields.traits),
            **{name: value for name in ("email", "phone") if (value := subject.get(name) or getattr(customer, name))},
            **({"country": customer.country} if customer.country else {}),
        },
    )
    traits = identity.of_customer(message, NO_CONTEXT, of_group=False, source_country=context.country)
    return _Call(message, traits, message_id_of(event.source, event.id), context)
