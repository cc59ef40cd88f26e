"""What the benchmarks send: a shop's mix of page views, product views, identifies, orders and events of its own."""

import json
from collections.abc import Iterator
from typing import Any, Final

TOKEN: Final = "@@@@@@@@@@@@"  # where a load generator writes what makes each request's ids its own
TRACEPARENT: Final = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"  # on every record
CUSTOMERS: Final = 5_000
TEMPLATES: Final = 48
BAD_EVERY: Final = 1_000  # one event in so many is refused, and goes to the quarantine

PLAN: Final[dict[str, Any]] = {
    "events": {
        "Page": {"properties": {"required": ["path"], "properties": {"path": {"type": "string"}}}},
        "Product Viewed": {
            "properties": {
                "required": ["product_id", "price"],
                "properties": {"product_id": {"type": "string"}, "currency": {"pattern": "^[A-Z]{3}$"}},
            }
        },
        "Order Completed": {
            "properties": {
                "required": ["order_id", "total", "products"],
                "properties": {
                    "order_id": {"type": "string", "minLength": 3},
                    "total": {"type": ["string", "number"]},
                    "products": {"type": "array", "minItems": 1, "items": {"required": ["product_id", "quantity"]}},
                },
            }
        },
        "Identify": {"properties": {"properties": {"email": {"type": "string"}}}},
    },
    "unplanned": "warn",
}


def templates(events: int, *, strangers: bool = False) -> list[str]:
    """Bodies of `events` events each, with the token where ids go; of `strangers`, each is of another customer."""
    numbered = _mix(strangers=strangers)
    return [
        json.dumps({"batch": [next(numbered) for _ in range(events)], "sentAt": "2026-01-31T12:00:01.000Z"})
        for _ in range(TEMPLATES)
    ]


def _mix(*, strangers: bool) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        number += 1
        yield _event(number, f"u-{TOKEN}-{number}" if strangers else f"u{number * 7919 % CUSTOMERS}")


def _event(number: int, customer: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "messageId": f"m-{TOKEN}-{number}",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "userId": customer,
        "anonymousId": f"device-of-{customer}",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        "integrations": {},
    }
    if number % BAD_EVERY == 0:
        return {**said, "type": "track", "event": "Order Completed", "properties": {"total": "1.00"}}
    match number % 10:
        case 0 | 1 | 2 | 3:
            page = {"url": "https://shop.example/tea", "path": "/tea", "title": "Tea"}
            return {**said, "type": "page", "name": "Tea", "properties": page}
        case 4 | 5:
            product = {"product_id": "tea-1", "category": "tea", "name": "龙井", "price": "12.50", "currency": "EUR"}
            return {**said, "type": "track", "event": "Product Viewed", "properties": product}
        case 6:
            return {**said, "type": "identify", "traits": {"email": f"{customer}@example.com", "name": "Ann"}}
        case 7 | 8:
            line = {"product_id": "tea-1", "category": "tea", "quantity": 2, "price": "29.95"}
            order = {"order_id": f"o-{TOKEN}-{number}", "currency": "EUR", "total": "59.90", "products": [line]}
            return {**said, "type": "track", "event": "Order Completed", "properties": order}
        case _:
            return {**said, "type": "track", "event": "Wishlist Shared", "properties": {"items": 3}}
