"""Cases of SDKs, of the typed routes and of CloudEvents."""

from collections.abc import Mapping
from typing import Any

from tests.support.field_cases.case import ACCEPTED, Case, Post, figures


def track(who: str, event: str, message_id: str, properties: Mapping[str, Any] | None = None, **fields: Any) -> Post:
    """A call of `track`."""
    body = {"userId": who, "event": event, "messageId": message_id, "properties": dict(properties or {}), **fields}
    return Post(path="/v1/track", body=body)


def bought(
    who: str, order_id: str, total: float, *, event: str = "Order Completed", message_id: str = "", **properties: Any
) -> Post:
    """An order of dollars by `track`."""
    stated = {"order_id": order_id, "currency": "USD", "total": total, **properties}
    return track(who, event, message_id or f"{order_id}-{event}", stated)


def ordered(who: str, order_id: str, currency: str, total: str) -> Post:
    """A call of `POST /v1/orders`."""
    body = {"customer": {"user_id": who}, "order_id": order_id, "currency": currency, "total": total}
    return Post(path="/v1/orders", body=body, answer=ACCEPTED)


def refunded(who: str, order_id: str, refund_id: str, currency: str, total: str) -> Post:
    """A call of `POST /v1/refunds`."""
    told = {"order_id": order_id, "refund_id": refund_id, "currency": currency, "total": total}
    return Post(path="/v1/refunds", body={"customer": {"user_id": who}, **told}, answer=ACCEPTED)


def at(who: str, timestamp: str, **batch: Any) -> Post:
    """A batch of one order of this time."""
    order = {"order_id": f"{who}-1", "currency": "USD", "total": 14}
    call = {"type": "track", "event": "Order Completed", "messageId": f"{who}-1", "userId": who, "properties": order}
    return Post(path="/v1/batch", body={"batch": [{**call, "timestamp": timestamp}], **batch})


def structured(subject: str, order_id: str, data: Any, **more: Any) -> Post:
    """A CloudEvent of an order, structured."""
    event = {"specversion": "1.0", "source": "/warehouse", "type": "Order Completed", "id": order_id, "data": data}
    headers = {"Content-Type": "application/cloudevents+json"}
    return Post(
        path="/v1/cloudevents", headers=headers, body={**event, "subject": subject}, answer={**ACCEPTED, **more}
    )


def binary(subject: str, order_id: str, data: Any, **extensions: str) -> Post:
    """A CloudEvent of an order, binary, its headers in UTF-8 as they are."""
    attributes = {"specversion": "1.0", "id": order_id, "source": "/warehouse", "type": "Order Completed"}
    headers = {f"ce-{name}": text for name, text in {**attributes, "subject": subject, **extensions}.items()}
    return Post(path="/v1/cloudevents", headers=headers, body=data, answer=ACCEPTED)


ORDER = {"order_id": "W-1", "currency": "USD", "total": 13}
SDKS = (
    Case(
        sentence="RudderStack's SDKs state the time in originalTimestamp",
        steps=(
            Post(
                path="/v1/batch",
                body={
                    "batch": [
                        {
                            "type": "track",
                            "userId": "rud",
                            "anonymousId": "a-rud",
                            "event": "Order Completed",
                            "messageId": "rud-1",
                            "properties": {"order_id": "rud-1", "currency": "USD", "total": 26},
                            "originalTimestamp": "2026-06-20T07:30:00Z",
                            "channel": "server",
                        }
                    ],
                },
            ),
        ),
        profiles={"user_id:rud": {**figures(orders=1, USD=26_00), "first_order_at": "2026-06-20T07:30:00Z"}},
    ),
    Case(
        sentence="a quantity may be a fraction",
        steps=(bought("sal", "S-1", 9, products=[{"product_id": "olives", "quantity": 0.45, "price": 20}]),),
        profiles={"user_id:sal": figures(orders=1, USD=9_00)},
    ),
    Case(
        sentence="a line without a price is no obstacle where the total is stated",
        steps=(bought("tam", "T-1", 73, products=[{"product_id": "rug", "quantity": 1}]),),
        profiles={"user_id:tam": figures(orders=1, USD=73_00)},
    ),
    Case(
        sentence="Order Refunded without a total is a full refund",
        steps=(bought("una", "U-1", 58), track("una", "Order Refunded", "una-2", {"order_id": "U-1"})),
        profiles={"user_id:una": figures(orders=1, USD=0, refunded={"USD": 58_00})},
    ),
    Case(
        sentence="Order Updated replaces what the order was",
        steps=(
            bought("vic", "V-1", 120),
            bought("vic", "V-1", 95, event="Order Updated", products=[{"product_id": "rug", "price": 95}]),
        ),
        profiles={"user_id:vic": figures(orders=1, USD=95_00)},
    ),
    Case(
        sentence="of two events with one id the second is set aside, and counted",
        steps=(bought("yan", "Y-1", 16, message_id="worker-7"),),
        later=(bought("zoe", "Z-1", 28, message_id="worker-7"),),
        profiles={"user_id:yan": figures(orders=1, USD=16_00), "user_id:zoe": None},
        conflicts={"server": 1},
    ),
    Case(
        sentence="times of other calendars, of other digits and of clocks that were never set are refused",
        steps=(
            at("reiwa", "0008-06-01T09:00:00+09:00"),
            at("thai", "2569-06-01T09:00:00+07:00"),
            at("thai-clock", "2569-06-01T09:00:00+07:00", sentAt="2569-06-01T09:00:05+07:00"),
            at("digits", "٢٠٢٦-٠٦-٠١T٠٩:٠٠:٠٠Z"),
            at("never-set", "1970-01-01T00:00:07Z"),
            at("tenths", "2026-06-01T09:00:00.2Z"),
        ),
        quarantine={"server": ["time"] * 5},
        profiles={
            **{f"user_id:{who}": None for who in ("reiwa", "thai", "thai-clock", "digits", "never-set")},
            "user_id:tenths": {"orders": 1, "first_order_at": "2026-06-01T09:00:00.200000Z"},
        },
    ),
)
TYPED = (
    Case(
        sentence="an order that becomes what it was before is what it was before",
        steps=(
            ordered("wes", "W-7", "USD", "55.00"),
            ordered("wes", "W-7", "USD", "45.00"),
            ordered("wes", "W-7", "USD", "55.00"),
        ),
        profiles={"user_id:wes": figures(orders=1, USD=55_00)},
    ),
    Case(
        sentence="a refund in another currency than its order's is taken off nothing, and shown",
        steps=(ordered("uwe", "U-7", "USD", "70"), refunded("uwe", "U-7", "U-7-back", "EUR", "64")),
        profiles={
            "user_id:uwe": {
                **figures(orders=1, refunded={"USD": 0, "EUR": 64_00}, USD=70_00),
                "refunds_not_counted_minor": {"EUR": 64_00},
            }
        },
    ),
    Case(
        sentence="what is paid in another currency than the policy's is shown as not counted",
        steps=(ordered("vim", "V-7", "EUR", "3100"),),
        profiles={"user_id:vim": figures(orders=1, EUR=3_100_00)},
        standings={"user_id:vim": {"tier": "bronze", "currency": "USD", "not_counted_minor": {"EUR": 3_100_00}}},
    ),
    Case(
        sentence="a refund may be larger than its order, and earns no tier",
        steps=(ordered("xia", "X-1", "USD", "12"), refunded("xia", "X-1", "X-1-back", "USD", "17")),
        profiles={"user_id:xia": figures(orders=1, USD=-5_00, refunded={"USD": 17_00})},
        standings={"user_id:xia": {"tier": "bronze", "window_spend_minor": -5_00}},
    ),
)
CLOUDEVENTS = (
    Case(
        sentence="a subject in raw UTF-8 names whom it names in a structured event",
        steps=(
            structured("user_id:Søren", "W-1", ORDER),
            binary("user_id:Søren", "W-2", {**ORDER, "order_id": "W-2", "total": 21}),
        ),
        profiles={"user_id:Søren": figures(orders=2, USD=34_00)},
    ),
    Case(
        sentence="data that is JSON within a text is refused with the reason",
        steps=(structured("user_id:yul", "W-3", '{"order_id": "W-3", "currency": "USD", "total": 13}', status=422),),
        quarantine={"server": ["malformed"]},
        profiles={"user_id:yul": None},
    ),
)
CASES = (*SDKS, *TYPED, *CLOUDEVENTS)
