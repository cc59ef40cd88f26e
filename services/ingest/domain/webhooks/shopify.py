"""Shopify's webhooks: orders, refunds, customers, fulfillments.

Source: Shopify Admin API, REST resources Order, Refund, Customer, Fulfillment, and "Webhooks: HTTPS delivery".
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.message import Scalar, text
from services.ingest.domain.webhooks.delivery import Delivery, Translated, identify, person, track

SUBSCRIBED: Final = "subscribed"


class _Consent(msgspec.Struct, frozen=True, kw_only=True):
    state: str | None = None


class _Address(msgspec.Struct, frozen=True, kw_only=True):
    country_code: str | None = None
    city: str | None = None
    phone: str | None = None


class _Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar = None
    email: str | None = None
    verified_email: bool | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tags: str | None = None
    default_address: _Address | None = None
    email_marketing_consent: _Consent | None = None
    sms_marketing_consent: _Consent | None = None


class _Discount(msgspec.Struct, frozen=True, kw_only=True):
    amount: Scalar = None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    sku: str | None = None
    variant_id: Scalar = None
    product_id: Scalar = None
    title: str | None = None
    name: str | None = None
    quantity: int = 1
    price: Scalar = None
    discount_allocations: list[_Discount] = []


class _Transaction(msgspec.Struct, frozen=True, kw_only=True):
    kind: str | None = None
    status: str | None = None
    amount: Scalar = None
    currency: str | None = None


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    order_id: Scalar
    created_at: str | None = None
    transactions: list[_Transaction] = []


class _Fulfillment(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    order_id: Scalar
    status: str | None = None
    shipment_status: str | None = None
    tracking_company: str | None = None
    tracking_number: str | None = None
    email: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    currency: str
    total_price: Scalar
    created_at: str | None = None
    updated_at: str | None = None
    processed_at: str | None = None
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    test: bool | None = None
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    customer: _Customer | None = None
    line_items: list[_Line] = []
    refunds: list[_Refund] = []
    fulfillments: list[_Fulfillment] = []


Messages = list[dict[str, Any]]


def translate(delivery: Delivery) -> Translated:
    """What a delivery means. Raises what msgspec raises for a payload of another shape."""
    topic = delivery.header("x-shopify-topic")
    # One thing that a merchant does has one event id, under which several topics, and several parcels, are told.
    event_id = delivery.header("x-shopify-event-id") or delivery.header("x-shopify-webhook-id")
    delivery_id = delivery.told_apart(f"{topic}/{event_id}")
    adapter = _TOPICS.get(topic)
    if adapter is None:
        return Translated(delivery_id=delivery_id, ignored=f"topic {topic or '(none)'}")
    messages = adapter(delivery.raw)
    return Translated(delivery_id=delivery_id, messages=messages, ignored="" if messages else f"{topic}: no fact in it")


def _order(raw: bytes) -> Messages:
    order = _decode_order(raw)
    if order.test:
        return []
    customer = order.customer or _Customer()
    email = customer.email or order.email or order.contact_email
    who = person(user_id=customer.id, email=email, phone=customer.phone or order.phone)
    placed_at = order.processed_at or order.created_at
    properties = {
        "order_id": text(order.id),
        "currency": order.currency,
        "total": order.total_price,
        "placed_at": placed_at,
        "products": [_product(line) for line in order.line_items],
    }
    made = [track("Order Completed", properties, at=order.updated_at or placed_at, who=who)]
    if order.cancelled_at:
        reason = {"order_id": text(order.id), "reason": order.cancel_reason}
        made.append(track("Order Cancelled", reason, at=order.cancelled_at, who=who))
    made += [message for refund in order.refunds for message in _refunded(refund, order.currency, who)]
    made += [message for one in order.fulfillments for message in _sent(one, who)]
    return made


def _product(line: _Line) -> dict[str, Any]:
    sku = line.sku or text(line.variant_id) or text(line.product_id) or line.title
    said = {"product_id": sku, "name": line.name or line.title, "quantity": line.quantity, "price": line.price}
    return {**said, "total": _discounted(line)} if line.discount_allocations else said


def _discounted(line: _Line) -> str:
    """What a line comes to: its price is that before discounts, and a discount on the order is shared by its lines."""
    try:
        off = sum((Decimal(text(one.amount)) for one in line.discount_allocations), Decimal(0))
        return str(Decimal(text(line.price)) * line.quantity - off)
    except InvalidOperation:
        raise BadEvent(Reason.AMOUNT, "line_items: a price or a discount is no amount") from None


def _refund(raw: bytes) -> Messages:
    refund = _decode_refund(raw)
    currency = next((one.currency for one in refund.transactions if one.currency), "")
    return _refunded(refund, currency or "", {})


def _refunded(refund: _Refund, currency: str, who: Mapping[str, Any]) -> Messages:
    """One refund may go back in several transactions, each a refund of its own; nothing went back without one."""
    went = [one for one in refund.transactions if one.kind == "refund" and one.status == "success"]
    return [
        track(
            "Order Refunded",
            {
                "order_id": text(refund.order_id),
                "refund_id": f"{text(refund.id)}-{n}" if n else text(refund.id),
                "currency": one.currency or currency,
                "total": one.amount,
            },
            at=refund.created_at,
            who=who,
        )
        for n, one in enumerate(went)
    ]


def _fulfillment(raw: bytes) -> Messages:
    fulfillment = _decode_fulfillment(raw)
    return _sent(fulfillment, person(email=fulfillment.email))


def _sent(one: _Fulfillment, who: Mapping[str, Any]) -> Messages:
    if one.status not in ("success", "open", "pending"):
        return []
    order_id = text(one.order_id)
    shipped = {"order_id": order_id, "carrier": one.tracking_company, "tracking_number": one.tracking_number}
    made = [track("Order Shipped", shipped, at=one.created_at, who=who)]
    if one.shipment_status == "delivered":
        made.append(track("Order Delivered", {"order_id": order_id}, at=one.updated_at, who=who))
    return made


def _customer(raw: bytes) -> Messages:
    customer = _decode_customer(raw)
    address = customer.default_address or _Address()
    traits = {
        "email": customer.email,
        "email_verified": customer.verified_email or None,
        "phone": customer.phone or address.phone,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "country": address.country_code,
        "city": address.city,
        "tags": [tag.strip() for tag in (customer.tags or "").split(",") if tag.strip()],
    }
    said = {"email": customer.email_marketing_consent, "sms": customer.sms_marketing_consent}
    consent = {name: one.state == SUBSCRIBED for name, one in said.items() if one is not None and one.state}
    at = customer.updated_at or customer.created_at
    return [identify(traits, consent=consent, at=at, who=person(user_id=customer.id))]


_decode_order: Final = msgspec.json.Decoder(_Order).decode
_decode_refund: Final = msgspec.json.Decoder(_Refund).decode
_decode_fulfillment: Final = msgspec.json.Decoder(_Fulfillment).decode
_decode_customer: Final = msgspec.json.Decoder(_Customer).decode

_TOPICS: Final[Mapping[str, Callable[[bytes], Messages]]] = {
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/edited", "orders/paid", "orders/cancelled", "orders/fulfilled",
         "orders/partially_fulfilled"),
        _order,
    ),
    "refunds/create": _refund,
    **dict.fromkeys(("fulfillments/create", "fulfillments/update"), _fulfillment),
    **dict.fromkeys(("customers/create", "customers/update", "customers/enable", "customers/disable"), _customer),
}  # fmt: skip
