"""What is kept of an event in a customer's history: its name and its properties, in short."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

from services.segment.domain.conditions.customer import ORDERS
from shared.contracts import wire
from shared.contracts.envelope import derived_id
from shared.contracts.events import Body, CustomerIdentified, CustomEvent, MessageFact
from shared.contracts.orders import Order, split_key

MAX_BYTES: Final = 1_024  # of an event's properties, as JSON
MAX_ORDER_BYTES: Final = 8_192
MAX_SHORT_TEXT: Final = 200  # characters, where all of it is too much

_encode: Final = msgspec.json.Encoder().encode


def event_name(body: Body) -> str:
    """Returns the name by which conditions call an event: `page_viewed`, or that of a custom event as it was sent.

    What a machine did with a message has a name of its own, `message_opened_by_machine`: it counts only if asked for.
    """
    if isinstance(body, CustomEvent):
        return body.name
    name = type_name(type(body))
    return f"{name}_by_machine" if isinstance(body, MessageFact) and body.automated else name


@lru_cache(maxsize=256)
def type_name(body: type[Body]) -> str:
    return wire.type_name(body).removeprefix("rapport.").partition(".")[0]


def compact(body: Body) -> str:
    """Returns an event's properties as JSON, of `MAX_BYTES` at most: all, or else the short ones, as many as fit."""
    if isinstance(body, CustomerIdentified):  # what it says is a trait, and stands with the customer
        return "{}"
    properties = _properties(body)
    if not properties:
        return "{}"
    whole = _encode(properties)
    return whole.decode() if len(whole) <= MAX_BYTES else _shortened(properties, MAX_BYTES)


def _properties(body: Body) -> dict[str, Any]:
    if isinstance(body, CustomEvent):
        return body.properties
    fields: dict[str, Any] = msgspec.to_builtins(body)
    extra = fields.pop("extra", None)
    return {**extra, **fields} if isinstance(extra, dict) else fields


def _shortened(properties: Mapping[str, Any], limit: int) -> str:
    """Returns texts, numbers and flags that are short, in the order in which they were sent, as many as fit."""
    kept: dict[str, Any] = {}
    size = 2
    for name, value in properties.items():
        if isinstance(value, dict | list) or (isinstance(value, str) and len(value) > MAX_SHORT_TEXT):
            continue
        more = len(_encode({name: value})) - 1
        if size + more <= limit:
            kept[name] = value
            size += more
    return _encode(kept).decode()


def order_event_id(profile_id: UUID, order_key: str) -> UUID:
    """Returns the id of an order's row in a history: one for each order."""
    return derived_id(profile_id, ORDERS, order_key, 1)


def order_properties(order_key: str, order: Order) -> str:
    """Returns the properties of an order that counts, as it now stands, as JSON: the lines as many as fit."""
    order_id, space = split_key(order_key)
    properties: dict[str, Any] = {
        "order_id": order_id,
        **({"space": space} if space else {}),
        "currency": order.currency,
        "total_minor": order.net_minor,
        "refunded_minor": order.refunded_minor,
        "items": [
            {
                "sku": one.sku,
                "name": one.name,
                "category": one.category,
                "quantity": one.quantity,
                "unit_price_minor": one.unit_price_minor,
            }
            for one in order.lines
        ],
    }
    while len(whole := _encode(properties)) > MAX_ORDER_BYTES and properties["items"]:
        properties["items"] = properties["items"][: len(properties["items"]) // 2]
    return whole.decode()
