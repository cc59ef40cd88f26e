"""Events as CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, JSON in the value.

Source: CloudEvents specification 1.0.2, Kafka protocol binding 1.0.2, section 3.2.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from shared.contracts import versions
from shared.contracts.changes import CHANGES
from shared.contracts.context import Context
from shared.contracts.envelope import MAX_SOURCE_VERSION, Event, SourceKind
from shared.contracts.events import FACTS, Body
from shared.contracts.identity import Identity, is_space
from shared.contracts.moments import BOUNDS, implausible_field, is_plausible

TYPE_NAMES: Final[Mapping[type[Body], str]] = {**FACTS, **CHANGES}
BODIES: Final[Mapping[str, type[Body]]] = {
    **{name: body for body, name in TYPE_NAMES.items()},
    **{name: body for body, name in versions.FIRST_NAMES.items()},
}
"""By the names of types, of earlier versions too."""

REMEMBERED_SOURCES: Final = 1_024

# What a lane can reach: at 1,000 events a second of one origin, 2^40 are 35 years. A mark that is put higher would
# have everything after it taken for a repeat.
MAX_ORIGIN: Final = (1 << 31) - 1  # Kafka's partitions are numbered in 32 bits
NO_ORIGIN: Final = -1  # of what was published outside a consumer's batch
MAX_SEQUENCE: Final = 1 << 40
MAX_DEPTH: Final = (1 << 15) - 1

_VERSIONED: Final = re.compile(r"rapport\.[a-z_]+\.v[0-9]+")

Headers = Sequence[tuple[str, bytes]]
Decode = Callable[[Iterable[tuple[str, bytes]], bytes | None], Event]


class Undecodable(ValueError):
    """The record is not an event that this bus carries."""


class NewerThanCode(Exception):
    """The record's type is one that a newer release writes; this reader must be upgraded, not skip it."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One record to publish. `tag` is the caller's name for it."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = []  # the client takes no other sequence
    tag: int = 0


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    data: msgspec.Raw
    identities: tuple[Identity, ...] = ()
    stated_at: datetime | None = None
    context: Context | None = None


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A value on its way out, with its data not encoded yet; it reads back as `_Value`."""

    data: Body
    identities: tuple[Identity, ...] | msgspec.Raw = ()
    stated_at: datetime | None = None
    context: Context | msgspec.Raw | None = None


def _moments_of(body: type[Body]) -> tuple[str, ...]:
    """Returns the names of the fields that may hold a moment."""
    return tuple(one.name for one in msgspec.structs.fields(body) if _is_moment(one.type))


def _is_moment(annotation: Any) -> bool:
    return annotation is datetime or any(_is_moment(part) for part in get_args(annotation))


_encode: Final = msgspec.json.Encoder().encode
_decode_value: Final = msgspec.json.Decoder(_Value).decode
_decoders: Final[Mapping[str, versions.Decode]] = {
    **{name: msgspec.json.Decoder(body).decode for body, name in TYPE_NAMES.items()},
    **versions.decoders(),
}
_MOMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    name: moments for name, body in BODIES.items() if (moments := _moments_of(body))
}


def decode_body(name: str, data: bytes | str) -> Body:
    """Returns the body of a type by its name, of whichever version. Raises `KeyError`, or what msgspec raises."""
    return _decoders[name](data)


def type_name(body: type[Body]) -> str:
    """Returns a type's name on the bus; its class's name, if only a service's own topic has it."""
    return TYPE_NAMES.get(body, body.__name__)


def iso(moment: datetime) -> str:
    """Returns a moment in RFC 3339, in UTC, to the microsecond."""
    return _encode(_utc(moment))[1:-1].decode()


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")
HISTORICAL: Final = ("ce_historical", b"true")
UNVERIFIED: Final = ("ce_unverified", b"true")
_CLAIM: Final = ("ce_claim", b"true")  # its name in the first version
MERGES: Final = ("ce_merges", b"true")
_UNDATED: Final = ("ce_undated", b"true")
_TYPE_HEADERS: Final = {body: ("ce_type", name.encode()) for body, name in TYPE_NAMES.items()}
_FIRST_TYPE_HEADERS: Final = {
    body: ("ce_type", name.encode()) for body, name in {**TYPE_NAMES, **versions.FIRST_NAMES}.items()
}


class _Writing:
    """Which versions this process writes."""

    type_headers: Mapping[type[Body], tuple[str, bytes]] = _TYPE_HEADERS
    unverified: tuple[str, bytes] = UNVERIFIED
    first: bool = False


def write_version(version: int) -> None:
    """Makes this process write types as this version has them, from now on; it reads all, whatever it writes.

    Called once, when a process starts: `WIRE_VERSION`. The first version is for the time in which readers of the
    release before are still running.
    """
    _Writing.first = version < versions.CURRENT
    _Writing.type_headers = _FIRST_TYPE_HEADERS if _Writing.first else _TYPE_HEADERS
    _Writing.unverified = _CLAIM if _Writing.first else UNVERIFIED


def unverified_header() -> tuple[str, bytes]:
    """Returns the header of an event that its source is not believed for."""
    return _Writing.unverified


SourceHeaders = tuple[tuple[str, bytes], tuple[str, bytes]]  # what all events of a source have among their headers


@lru_cache(REMEMBERED_SOURCES)
def source_headers(source_id: str, kind: SourceKind) -> SourceHeaders:
    """Returns the headers that say who an event is from."""
    return ("ce_source", b"/rapport/sources/" + source_id.encode()), ("ce_sourcekind", kind.encode())


def event_headers(
    event_id: bytes, occurred_at: datetime, received_at: datetime, body: type[Body], source: SourceHeaders
) -> list[tuple[str, bytes]]:
    """Returns the headers that every event has. `event_id` is a text; times are in UTC."""
    # Both at once: a call of the encoder costs as much as what it writes here.
    _, occurred_text, _, received_text, _ = _encode((occurred_at, received_at)).split(b'"')
    return [
        _SPECVERSION,
        ("ce_id", event_id),
        source[0],
        _Writing.type_headers[body],
        ("ce_time", occurred_text),
        ("ce_receivedat", received_text),
        source[1],
        _CONTENT_TYPE,
    ]


def encode_part(part: Context | tuple[Identity, ...]) -> msgspec.Raw:
    """Returns a part of an event's value, for `encode_value` of many events that share it."""
    return msgspec.Raw(_encode(part))


def encode_value(
    body: Body,
    identities: tuple[Identity, ...] | msgspec.Raw,
    stated_at: datetime | None,
    context: Context | msgspec.Raw | None,
) -> bytes:
    """Returns an event's value."""
    return _encode(_Written(versions.as_first(body) if _Writing.first else body, identities, stated_at, context))


def rarer_headers(event: Event) -> list[tuple[str, bytes]]:
    """Returns the headers of what few events have: a source's own version and space, and being undated."""
    headers = []
    if event.source_version:
        headers.append(("ce_sourceversion", str(event.source_version).encode()))
    if event.undated:
        headers.append(_UNDATED)
    if event.space:
        headers.append(("ce_space", event.space.encode()))
    return headers


def encode(event: Event) -> tuple[list[tuple[str, bytes]], bytes]:
    """Returns an event's headers and value."""
    headers = event_headers(
        _encode(event.event_id)[1:-1],
        _utc(event.occurred_at),
        _utc(event.received_at),
        type(event.body),
        source_headers(event.source_id, event.source_kind),
    )
    if event.historical:
        headers.append(HISTORICAL)
    if event.unverified:
        headers.append(_Writing.unverified)
    if event.merges:
        headers.append(MERGES)
    headers += rarer_headers(event)
    if event.profile_id is not None:
        headers.append(("ce_profileid", str(event.profile_id).encode()))
    if event.origin is not None:
        headers.append(("ce_origin", str(event.origin).encode()))
    if event.sequence is not None:
        headers.append(("ce_sequence", str(event.sequence).encode()))
    if event.cause_id is not None:
        headers.append(("ce_causeid", str(event.cause_id).encode()))
    if event.depth:
        headers.append(("ce_depth", str(event.depth).encode()))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers, encode_value(event.body, event.identities, event.stated_at, event.context)


def headers_text(headers: Headers) -> str:
    """Returns headers as one JSON object."""
    return _encode({name: raw.decode() for name, raw in headers}).decode()


class Alike:
    """Writes events that differ by their ids and bodies alone: what else they are is written once for all."""

    def __init__(self, event: Event) -> None:
        """`event` is one of them."""
        self._event = event
        headers, _ = encode(event)
        self._before, _, after = headers_text(headers).partition(_quoted(headers, "ce_id"))
        self._between, _, self._after = after.partition(_quoted(headers, "ce_type"))

    def encode(self, event_id: str, body: Body) -> tuple[str, bytes]:
        """Returns the headers, as `headers_text` has them, and the value of the event with this id and body."""
        event, kind = self._event, _Writing.type_headers[type(body)][1].decode()
        value = encode_value(body, event.identities, event.stated_at, event.context)
        return f'{self._before}"{event_id}"{self._between}"{kind}"{self._after}', value


def _quoted(headers: Headers, name: str) -> str:
    return f'"{dict(headers)[name].decode()}"'


def decode(headers: Iterable[tuple[str, bytes]], value: bytes | None, *, uuid: Callable[[str], UUID] = UUID) -> Event:
    """Returns the event in a record. Its ids are made by `uuid`.

    Raises `NewerThanCode` for a well-formed `rapport.*` type that this code does not know, and `Undecodable`,
    which says what is wrong and where, for everything else.
    """
    try:
        attributes = {name: raw.decode() for name, raw in headers}
        type_name = attributes["ce_type"]
        decoder = _decoders.get(type_name)
        if decoder is None:
            if _VERSIONED.fullmatch(type_name):
                raise NewerThanCode(type_name)
            raise Undecodable(f"header ce_type: {type_name!r} is not an event type of this bus")
        if value is None:
            raise Undecodable("value: empty")
        envelope = _decode_value(value)
        body = decoder(envelope.data)
        if (names := _MOMENTS.get(type_name)) and (wrong := implausible_field(body, names)):
            raise Undecodable(f"value: data.{wrong} is not a moment with a zone {BOUNDS}")
        if envelope.stated_at is not None and implausible_field(envelope, ("stated_at",)):
            raise Undecodable(f"value: stated_at is not a moment with a zone {BOUNDS}")
        return Event(
            event_id=uuid(attributes["ce_id"]),
            source_id=attributes["ce_source"].rpartition("/")[2],
            source_kind=SourceKind(attributes["ce_sourcekind"]),
            occurred_at=_moment(attributes["ce_time"]),
            received_at=_moment(attributes["ce_receivedat"]),
            body=body,
            identities=envelope.identities,
            historical=attributes.get("ce_historical") == "true",
            unverified=attributes.get("ce_unverified", attributes.get("ce_claim")) == "true",
            profile_id=_optional_uuid(attributes.get("ce_profileid"), uuid),
            origin=_optional_number(attributes, "ce_origin", NO_ORIGIN, MAX_ORIGIN),
            sequence=_optional_number(attributes, "ce_sequence", 0, MAX_SEQUENCE),
            cause_id=_optional_uuid(attributes.get("ce_causeid"), uuid),
            depth=_optional_number(attributes, "ce_depth", 0, MAX_DEPTH) or 0,
            traceparent=attributes.get("traceparent"),
            stated_at=envelope.stated_at,
            context=envelope.context,
            merges=attributes.get("ce_merges") == "true",
            source_version=_optional_number(attributes, "ce_sourceversion", 0, MAX_SOURCE_VERSION) or 0,
            undated=attributes.get("ce_undated") == "true",
            space=_space(attributes.get("ce_space", "")),
        )
    except KeyError as error:
        raise Undecodable(f"header {error.args[0]}: missing") from None
    except msgspec.MsgspecError as error:
        raise Undecodable(f"value: {error}") from None
    except Undecodable:
        raise
    except RecursionError:
        raise Undecodable("value: nested too deeply") from None
    except (ValueError, OverflowError, AttributeError) as error:  # not a text, not a moment, or no value at all
        raise Undecodable(f"headers: {error}") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise Undecodable(f"header ce_time or ce_receivedat: {text!r} has no time zone")
    moment = moment.astimezone(UTC)
    if not is_plausible(moment):
        raise Undecodable(f"header ce_time or ce_receivedat: {text!r} is not a moment {BOUNDS}")
    return moment


def _space(text: str) -> str:
    if text and not is_space(text):
        raise Undecodable(f"header ce_space: {text[:40]!r} is not the name of a space")
    return text


def _optional_uuid(text: str | None, uuid: Callable[[str], UUID]) -> UUID | None:
    return None if text is None else uuid(text)


def _optional_number(attributes: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = attributes.get(name)
    if text is None:
        return None
    number = int(text)
    if not least <= number <= most:
        raise Undecodable(f"header {name}: {number} is not from {least} to {most}")
    return number
