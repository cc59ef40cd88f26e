"""The streams by which profile hands its history on: lines of JSON, and how far a reader has come.

A line of a stream is an event in CloudEvents 1.0's JSON format: attributes as the headers of a record have them, in
`data` the record's value. A line `{"position": …}` says how far the stream has come without an event; the last line
says so as `{"end": …}`. A stream without it was cut off, and is asked for again from where the reader has come.

Source: CloudEvents specification 1.0.2, JSON event format, section 3.1.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.contracts.events import FACTS, Body
from shared.contracts.wire import BODIES, MAX_ORIGIN, MAX_SEQUENCE, NO_ORIGIN, TYPE_NAMES

OLD: Final = "old"
NO_ID: Final = UUID(int=0)
LAST_ID: Final = UUID(int=(1 << 128) - 1)
_NUMBER: Final = re.compile("-?[0-9]{1,13}")
_ID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MAX_LANES: Final = 200  # of one position: there are as many as partitions of `events`, and one

_CE: Final = "ce_"
_TRACE: Final = "traceparent"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has come in a partition of the history: per origin, the highest sequence it has.

    `old` is the id of the last event that it has of those from before profile kept sequences; `LAST_ID`: of all.
    As text: `old:<id>,<origin>:<sequence>,…`, with what has not begun left out.
    """

    lanes: Mapping[int, int] = field(default_factory=dict)
    old: UUID = NO_ID

    def __str__(self) -> str:
        old = [] if self.old == NO_ID else [f"{OLD}:{self.old}"]
        return ",".join([*old, *(f"{origin}:{sequence}" for origin, sequence in sorted(self.lanes.items()))])

    def sequence(self, origin: int) -> int:
        """Returns the highest sequence of an origin that the reader has; -1 if it has none."""
        return self.lanes.get(origin, -1)

    def has(self, event: Event) -> bool:
        """Returns whether a reader who has come this far has a numbered event."""
        assert event.origin is not None
        assert event.sequence is not None
        return event.sequence <= self.sequence(event.origin)

    def moved(self, origin: int, sequence: int) -> "Position":
        """Returns the position after so much of an origin. It never goes back."""
        return Position({**self.lanes, origin: max(sequence, self.sequence(origin))}, self.old)

    def past(self, event: Event) -> "Position":
        """Returns the position after an event of this stream."""
        if event.origin is None or event.sequence is None:
            return Position(self.lanes, max(self.old, event.event_id))
        return self.moved(event.origin, event.sequence)


def position_of(text: str) -> Position:
    """Returns the position that a text spells; the empty text is the beginning.

    Raises ValueError, which says what is wrong.
    """
    lanes: dict[int, int] = {}
    old: UUID | None = None
    parts = text.split(",") if text else []
    if len(parts) > MAX_LANES:
        raise ValueError(f"has more than {MAX_LANES} parts")
    for place, part in enumerate(parts):
        name, colon, value = part.partition(":")
        if not colon:
            raise ValueError(f"{part[:40]!r} is not origin:sequence, such as 0:1250")
        if name == OLD and place == 0:
            old = id_of(value)
        else:
            origin = _number(name, "an origin", NO_ORIGIN, MAX_ORIGIN)
            if origin in lanes:
                raise ValueError(f"names origin {origin} twice")
            lanes[origin] = _number(value, "a sequence", -1, MAX_SEQUENCE)
    return Position(lanes, old or NO_ID)


def _number(text: str, what: str, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not {what}, a whole number")
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number} is not {what}: they go from {least} to {most}")
    return number


def id_of(text: str) -> UUID:
    """Returns the id in a position, written with its dashes. Raises ValueError, which says what is wrong."""
    if not _ID.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an id, such as {LAST_ID}")
    return UUID(text)


class Progress(msgspec.Struct, frozen=True):
    """A line that is no event: how far the stream has come. `ended`: it is the last line."""

    position: str
    ended: bool = False


class _Line(msgspec.Struct, frozen=True):
    position: str | None = None
    end: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_encode: Final = msgspec.json.Encoder().encode
_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_attributes: Final = msgspec.json.Decoder(dict[str, Any]).decode


def event_line(event: Event) -> bytes:
    """Returns an event as a line, with its newline."""
    headers, value = wire.encode(event)
    attributes = {_attribute(name): raw.decode() for name, raw in headers}
    return _encode({**attributes, "data": msgspec.Raw(value)}) + b"\n"


def progress_line(position: str, *, ended: bool = False) -> bytes:
    """Returns the line that says how far a stream has come, or where it ends."""
    return _encode({"end" if ended else "position": position}) + b"\n"


def read_line(line: bytes) -> Event | Progress:
    """Returns what a line says. Raises `Undecodable` or `NewerThanCode`, as `wire.decode` does."""
    try:
        found = _decode_line(line)
        if found.end is not None:
            return Progress(found.end, ended=True)
        if found.position is not None:
            return Progress(found.position)
        attributes = _decode_attributes(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise wire.Undecodable(f"line: {error}") from None
    headers = [(_header(name), value.encode()) for name, value in attributes.items() if isinstance(value, str)]
    return wire.decode(headers, bytes(found.data))


def _attribute(header: str) -> str:
    return "datacontenttype" if header == "content-type" else header.removeprefix(_CE)


def _header(attribute: str) -> str:
    if attribute == "datacontenttype":
        return "content-type"
    return attribute if attribute == _TRACE else _CE + attribute


def short_name(name: str) -> str:
    """Returns a type's name without its namespace and version: `order_placed` of `rapport.order_placed.v2`."""
    return name.removeprefix("rapport.").rpartition(".v")[0]


# What the timeline has, and what is told of orders beside it.
_REASSIGNED: Final = "order_reassigned"
SHORT_NAMES: Final[Mapping[str, type[Body]]] = {
    short_name(name): body for body, name in TYPE_NAMES.items() if body in FACTS or short_name(name) == _REASSIGNED
}


def type_names(bodies: Iterable[type[Body]]) -> list[str]:
    """Returns the names of these types in all their versions."""
    wanted = set(bodies)
    return sorted(name for name, body in BODIES.items() if body in wanted)
