"""Examples of the calls that SDKs send, for the API's description."""

from typing import Any, Final

_WHEN: Final = {"messageId": "m-1", "timestamp": "2026-01-31T12:00:00.000Z"}

_TRACK: Final = {
    "event": "Order Completed",
    "userId": "42",
    "properties": {
        "order_id": "A-1001",
        "total": "59.90",
        "currency": "EUR",
        "products": [{"sku": "TEA-1", "name": "茉莉花茶", "category": "tea", "quantity": 2, "price": "29.95"}],
    },
    **_WHEN,
}
_IDENTIFY: Final = {
    "userId": "42",
    "anonymousId": "0f2b8a6e",
    "traits": {"email": "ann@example.com", "name": "Ann"},
    "context": {"consent": {"categoryPreferences": {"email": True}}},
    **_WHEN,
}
_PAGE: Final = {
    "anonymousId": "0f2b8a6e",
    "name": "Tea",
    "properties": {"url": "https://shop.example/tea", "path": "/tea", "title": "Tea"},
    **_WHEN,
}
_BATCH: Final = {
    "batch": [{"type": "identify", **_IDENTIFY}, {"type": "track", **_TRACK, "messageId": "m-2"}],
    "sentAt": "2026-01-31T12:00:01.000Z",
    "context": {"locale": "en-GB"},
}


_CALL: Final = {"type": "object"}
# Whatever a batch holds is accepted: anything but an event goes to the quarantine.
_CALLS: Final = {"type": "object", "required": ["batch"], "properties": {"batch": {"type": "array"}}}


def _body(example: dict[str, Any], schema: dict[str, Any] = _CALL) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


EXAMPLES: Final = {
    "batch": _body(_BATCH, _CALLS),
    "track": _body(_TRACK),
    "identify": _body(_IDENTIFY),
    "page": _body(_PAGE),
    "screen": _body({"userId": "42", "name": "Basket", **_WHEN}),
    "group": _body({"userId": "42", "groupId": "club-7", "traits": {"name": "Tea club"}, **_WHEN}),
    "alias": _body({"userId": "42", "previousId": "0f2b8a6e", **_WHEN}),
}


CLOUDEVENT: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "A-1001",
    "source": "/erp/orders",
    "type": "rapport.order_placed.v2",
    "time": "2026-01-31T12:00:00Z",
    "subject": "user_id:42",
    "data": {"order_id": "A-1001", "currency": "EUR", "total_minor": 5990},
}

# What a till may send, to a source whose `format` is `json`; the mapping in the example of the preview reads it.
WEBHOOK: Final[dict[str, Any]] = {"card": "42", "receipt": "R-7", "sold": "2026-01-31T12:00:00Z", "sum": "59.90"}

# The attributes of a CloudEvent in the binary mode. In the other modes these headers mean nothing.
BINARY: Final[list[dict[str, Any]]] = [
    {
        "name": f"ce-{name}",
        "in": "header",
        "description": "in the binary mode only (`Content-Type: application/json`)",
        "schema": {"type": "string"},
        "example": value,
    }
    for name, value in CLOUDEVENT.items()
    if name != "data"
]
