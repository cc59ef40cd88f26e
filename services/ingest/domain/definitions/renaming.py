"""A source's own words for events and properties, as data: what a shop calls `purchase` is an `Order Completed`.

The value of a property is a JMESPath expression (https://jmespath.org) on the properties as they came, so that lists
of lines can be reshaped too. Properties that no expression names stay as they are.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.definitions.budget import Budget
from services.ingest.domain.definitions.expression import Finder, finder
from services.ingest.domain.errors import BadDefinition

MAX_EVENTS: Final = 500
MAX_PROPERTIES: Final = 100

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode


class Renamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one of a source's events is called here, and where its properties come from."""

    event: str
    properties: dict[str, str] = {}


class Renaming:
    """The words of one source, compiled. Names are compared without regard to case."""

    def __init__(self, events: Mapping[str, Renamed]) -> None:
        """Raises `BadDefinition`, naming the place."""
        if len(events) > MAX_EVENTS:
            raise BadDefinition(f"events: {len(events)}; at most {MAX_EVENTS}")
        self._events = {name.lower(): (one.event, _compiled(name, one)) for name, one in events.items()}

    def apply(self, name: str, properties: bytes) -> tuple[str, bytes]:
        """Returns an event's name and properties as the catalogue names them. Raises `BadEvent`."""
        known = self._events.get(name.lower()) if self._events else None
        if known is None:
            return name, properties
        event, expressions = known
        if not expressions:
            return event, properties
        fields, budget = _decode(properties), Budget.of_event(properties)
        return event, _encode(fields | {target: find(fields, budget) for target, find in expressions})

    def __bool__(self) -> bool:
        return bool(self._events)


def _compiled(name: str, one: Renamed) -> tuple[tuple[str, Finder], ...]:
    if len(one.properties) > MAX_PROPERTIES:
        raise BadDefinition(f"events.{name}.properties: {len(one.properties)}; at most {MAX_PROPERTIES}")
    return tuple(
        (target, finder(f"events.{name}.properties.{target}", path)) for target, path in one.properties.items()
    )


NO_RENAMING: Final = Renaming({})
