"""Records as nobody should write them: every part of one, at the edges of its type, drawn from a seed."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts import topics
from shared.contracts.changes import (
    ProfileChanged,
    ProfileErased,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
    SegmentExited,
    StageChanged,
    TierChanged,
)
from shared.contracts.context import Context
from shared.contracts.envelope import SourceKind
from shared.contracts.events import FACTS, Body
from shared.contracts.reference import RatesPublished
from shared.contracts.wire import TYPE_NAMES

CARRIES: Final[Mapping[str, Sequence[type[Body]]]] = {
    topics.EVENTS: tuple(FACTS),
    topics.PROFILE_EVENTS: tuple(FACTS),
    topics.PROFILES: (ProfileChanged, ProfileMerged, ProfileSplit, ProfileErased),
    topics.SEGMENTS: (TierChanged, StageChanged, SegmentEntered, SegmentExited),
    topics.REFERENCE: (RatesPublished,),
}
MOMENT: Final = "2026-03-01T12:00:00Z"
LONG: Final = "x" * 70_000

NUMBERS: Final = (0, -1, 2**15, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, -(10**400), 0.5, 1e308, True)
TEXTS: Final = ("", " ", "\0", "a\0b", "\ud800", "\u202e", "é" * 300, LONG, "null", "0", "{{user}}", "\r\n", "😀")
MOMENTS: Final = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1899-12-31T23:59:59Z",
    "1900-01-01T00:00:00Z",
    "2199-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-03-01T12:00:00",
    "2026-02-30T12:00:00Z",
    "2026-03-01",
    "",
    1_772_366_400,
    1_772_366_400_000_000,
    -1,
)
UUIDS: Final = (str(UUID(int=0)), str(UUID(int=2**128 - 1)), "", "zz", "{00000000-0000-0000-0000-000000000001}", 7)
TIMESTAMPS: Final = (0, 1, 2**31, 253_402_300_800_000, 1_772_366_400_000_000, 2**62, 2**63 - 1)
STRANGE: Final[tuple[Any, ...]] = (None, [], {}, [[]], {"": None}, "text", 5, True)
HEADER_VALUES: Final = (None, b"", b"\xff\xfe", b"\0", b"9" * 5_000, b"-1", b"true", b"NaN", b"x" * 40_000)


class Draft(msgspec.Struct):
    """A record before it is sent; `headers` may name one twice, or have none of a value."""

    topic: str
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None
    timestamp_ms: int | None = None


def drafts(random: Random, count: int) -> list[Draft]:
    """Returns so many malformed records, of all topics."""
    names = [*CARRIES, topics.INBOUND]
    made = []
    for n in range(count):
        name = names[n % len(names)]
        made.append(_spoilt(random, inbound(random) if name == topics.INBOUND else event(random, name)))
    return made


def event(random: Random, topic: str) -> Draft:
    """Returns a record of one of the topic's types, right but for one field of its value at an edge."""
    body = random.choice(CARRIES[topic])
    fields = {one.name: _right(random, one.type) for one in msgspec.structs.fields(body)}
    envelope: dict[str, Any] = {
        "data": fields,
        "identities": [["user_id", f"fuzz-{random.randrange(500)}"]],
        "stated_at": MOMENT,
        "context": {one.name: _right(random, one.type) for one in msgspec.structs.fields(Context)},
    }
    spot = random.random()
    if spot < 0.75 and fields:
        chosen = random.choice(msgspec.structs.fields(body))
        fields[chosen.name] = _edge(random, chosen.type)
    elif spot < 0.9:
        envelope[random.choice([*envelope])] = _edge(random, random.choice((str, int, datetime, dict[str, Any])))
    headers: list[tuple[str, bytes | None]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(UUID(int=random.getrandbits(128))).encode()),
        ("ce_source", f"/rapport/sources/{UUID(int=random.randrange(40))}".encode()),
        ("ce_type", TYPE_NAMES[body].encode()),
        ("ce_time", MOMENT.encode()),
        ("ce_receivedat", MOMENT.encode()),
        ("ce_sourcekind", random.choice([*SourceKind]).encode()),
        ("content-type", b"application/json"),
    ]
    if topic != topics.EVENTS:
        headers.append(("ce_profileid", str(UUID(int=random.randrange(200))).encode()))
    if topic == topics.PROFILE_EVENTS:
        headers += [("ce_origin", b"%d" % random.randrange(10, 20)), ("ce_sequence", b"%d" % random.randrange(10**6))]
    return Draft(topic, _key(random), headers, json.dumps(envelope).encode())


def inbound(random: Random) -> Draft:
    """Returns a CloudEvent in one of the two modes, with one attribute at an edge."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"fuzz-{random.getrandbits(64)}",
        "source": random.choice(("/fuzz/known", "/fuzz/known", f"/fuzz/{random.getrandbits(32)}")),
        "type": random.choice(("Parcel Weighed", "rapport.order_placed.v1", "Order Completed")),
        "time": MOMENT,
        "subject": "x",
    }
    data: dict[str, Any] = {"order_id": "o", "currency": "EUR", "total_minor": 5, "customer": {"user_id": "fuzz"}}
    where = random.choice((attributes, data))
    where[random.choice([*where])] = _edge(random, random.choice((str, int, datetime, dict[str, Any])))
    if random.random() < 0.5:
        value = json.dumps({**attributes, "data": data}).encode()
        return Draft(topics.INBOUND, b"k", [("content-type", b"application/cloudevents+json")], value)
    headers: list[tuple[str, bytes | None]] = [
        (f"ce_{name}", str(text).encode(errors="replace")) for name, text in attributes.items()
    ]
    return Draft(topics.INBOUND, b"k", [*headers, ("content-type", b"application/json")], json.dumps(data).encode())


def _spoilt(random: Random, draft: Draft) -> Draft:
    """Returns the record with, mostly, one more thing wrong: a header, the key, the timestamp, or its bytes."""
    spot = random.random()
    headers, value = draft.headers, draft.value or b""
    if spot < 0.25:
        place = random.randrange(len(headers))
        headers[place] = (headers[place][0], random.choice(HEADER_VALUES))
    elif spot < 0.3:
        del headers[random.randrange(len(headers))]
    elif spot < 0.35:
        name = random.choice(("ce_type", "ce_id", "", "traceparent", "dlq_topic"))
        headers += [(name, b"x")] * random.choice((1, 300))
    elif spot < 0.4:
        headers.append((random.choice(("ce_depth", "ce_origin", "ce_sequence", "ce_causeid")), _number(random)))
    elif spot < 0.48:
        draft.timestamp_ms = random.choice(TIMESTAMPS)
    elif spot < 0.6:
        place = random.randrange(len(value) + 1)
        draft.value = random.choice(
            (None, b"", value[:place], value[:place] + random.randbytes(3) + value[place + 3 :], b"[" * 20_000, b"{")
        )
    return draft


def _number(random: Random) -> bytes:
    return str(random.choice(NUMBERS[:10])).encode()


def _key(random: Random) -> bytes | None:
    return random.choice((None, b"", b"\xff", b"k" * 1_000, *(b"%d" % n for n in range(12))))


def _right(random: Random, annotation: Any) -> Any:
    """Returns what a field of this type may well hold."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union, typing.Annotated):
        return _right(random, arguments[0])
    if origin is typing.Literal:
        return random.choice(arguments)
    if origin is tuple:
        return [_right(random, arguments[0])]
    if origin is dict:
        return {"email": _right(random, arguments[1])}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        made = {one.name: _right(random, one.type) for one in msgspec.structs.fields(annotation)}
        return list(made.values()) if annotation.__struct_config__.array_like else made
    simple: dict[Any, Any] = {str: f"s{random.randrange(1_000)}", int: random.randrange(1, 5), bool: True, Any: "x"}
    simple |= {datetime: MOMENT, UUID: str(UUID(int=random.randrange(1, 200))), float: 0.5, Decimal: "0.35"}
    return simple[annotation]


def _edge(random: Random, annotation: Any) -> Any:
    """Returns an edge of a type, or something that is not of it at all."""
    if random.random() < 0.15:
        return random.choice(STRANGE)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union, typing.Annotated):
        return _edge(random, arguments[0])
    if origin is tuple:
        return random.choice(([], [_edge(random, arguments[0])], [_right(random, arguments[0])] * 2_000))
    if origin is dict:
        name = random.choice(TEXTS)
        return random.choice(({name: _edge(random, arguments[1])}, {str(n): n for n in range(2_000)}, _deep(90)))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        chosen = random.choice(msgspec.structs.fields(annotation))
        return {**_right(random, annotation), chosen.name: _edge(random, chosen.type)}
    edges = {int: NUMBERS, datetime: MOMENTS, UUID: UUIDS, bool: STRANGE, Any: (*NUMBERS, *TEXTS)}
    return random.choice(edges.get(annotation, TEXTS))


def _deep(levels: int) -> Any:
    made: Any = "x"
    for _ in range(levels):
        made = {"d": made}
    return made
