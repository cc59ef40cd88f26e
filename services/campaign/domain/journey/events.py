"""Events as journeys see them: a name, and properties that filters can ask about."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.campaign.domain.journey.problems import Problem
from shared.contracts import property_filter, wire
from shared.contracts.events import Body, CustomEvent, MessageFact
from shared.contracts.property_filter import Match, PropertyFilter, leaves

_EVENT: Final = "event:"
MAX_NAME: Final = 200  # characters


def event_name(body: Body) -> str:
    """Returns the name by which definitions call an event: `order_placed`, or that of a custom event as it was sent.

    What a machine did with a message has a name of its own, `message_opened_by_machine`: it counts only if asked for.
    """
    if isinstance(body, CustomEvent):
        return body.name
    name = _type_name(type(body))
    return f"{name}_by_machine" if isinstance(body, MessageFact) and body.automated else name


@lru_cache(maxsize=256)
def _type_name(body: type[Body]) -> str:
    return wire.type_name(body).removeprefix("rapport.").partition(".")[0]


def event_properties(body: Body) -> Mapping[str, Any]:
    """Returns an event's properties as JSON has them; what its sender added stands among them."""
    if isinstance(body, CustomEvent):
        return body.properties
    fields: dict[str, Any] = msgspec.to_builtins(body)
    extra = fields.pop("extra", None)
    return {**extra, **fields} if isinstance(extra, dict) else fields


def awaiting_event(name: str) -> str:
    """Returns what a run awaits that waits for an event of this name."""
    return _EVENT + name


@lru_cache(maxsize=4_096)
def _matcher(encoded: bytes) -> Match:
    return property_filter.matches(msgspec.json.decode(encoded, type=tuple[PropertyFilter, ...]))


def filters_match(where: tuple[PropertyFilter, ...], properties: Mapping[str, Any]) -> bool:
    """Returns whether an event's properties match all of these filters."""
    return not where or _matcher(msgspec.json.encode(where))(properties)


def event_matches(
    where: tuple[PropertyFilter, ...],
    same: str | None,
    entered_by: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> bool:
    """Returns whether an event matches filters, and has the property `same` as the event that let the customer in."""
    if same is not None:
        key = key_of(entered_by, same)
        if key is None or key_of(properties, same) != key:
            return False
    return filters_match(where, properties)


def key_of(properties: Mapping[str, Any], path: str) -> str | None:
    """Returns the value at a path as text; None if there is none, or if it is no text, number or flag."""
    for value in leaves(properties, tuple(path.split("."))):
        if property_filter.is_scalar(value):
            return str(value)
    return None


def problems_of_event(name: str, where: tuple[PropertyFilter, ...], pointer: str) -> Iterator[Problem]:
    """Yields what is wrong with the name of an event and with filters on its properties."""
    if not 0 < len(name) <= MAX_NAME:
        yield Problem(f"{pointer}/event", f"must be an event's name, of at most {MAX_NAME} characters")
    for at, message in property_filter.problems(where):
        yield Problem(f"{pointer}/where{at}", message)
