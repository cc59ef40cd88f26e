"""Shopify's webhooks: orders, refunds, customers, fulfillments.

Source: Shopify Admin API, REST resources Order, Refund, Customer, Fulfillment, and "Webhooks: HTTPS delivery".
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import Delivery, Translated, country_in, identify, person, track
from services.ingest.domain.formats.webhooks.topic import Parts, check, has_any, parts, text_of
from services.ingest.domain.formats.webhooks.vendor import Vendor
from services.ingest.domain.values.message import Scalar, text

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
    billing_address: Any = None
    shipping_address: Any = None
    line_items: list[_Line] = []
    refunds: list[_Refund] = []
    fulfillments: list[_Fulfillment] = []


Messages = list[dict[str, Any]]


def translate(delivery: Delivery) -> Translated:
    """Returns what a delivery means. Raises `BadEvent` if its body is not of its topic, and what msgspec raises.

    The signature covers the body alone. So the body says which resource it is, and its digest identifies a repeated
    delivery; anybody can write Shopify's headers for the event id and the topic.
    """
    topic, delivery_id = delivery.header("x-shopify-topic"), delivery.digest()
    resource = _TOPICS.get(topic)
    if resource is None:
        return Translated(delivery_id=delivery_id, ignored=f"topic {topic or '(none)'}")
    check("X-Shopify-Topic", topic, of=resource, found=_resource(parts(delivery.raw)))
    messages = _ADAPTERS[resource](delivery.raw)
    return Translated(delivery_id=delivery_id, messages=messages, ignored="" if messages else f"{topic}: no fact in it")


def _resource(found: Parts) -> str | None:
    """Returns which resource a payload is, by its GraphQL id (`gid://shopify/Order/450001`), or by fields that the
    other resources lack.
    """
    if name := text_of(found, "admin_graphql_api_id"):
        return name.removeprefix("gid://shopify/").partition("/")[0]
    if "order_id" in found:
        if has_any(found, _OF_REFUNDS):
            return "Refund"
        return "Fulfillment" if has_any(found, _OF_FULFILLMENTS) and not has_any(found, _OF_PAYMENTS) else None
    if "line_items" in found:
        return None if has_any(found, _OF_CHECKOUTS) else "Order"
    return "Customer" if has_any(found, _OF_CUSTOMERS) and not has_any(found, _OF_PRODUCTS) else None


def _order(raw: bytes) -> Messages:
    order = _decode_order(raw)
    if order.test:
        return []
    customer = order.customer or _Customer()
    email = customer.email or order.email or order.contact_email
    own = customer.default_address.country_code if customer.default_address else None
    billed, sent_to = (country_in(one, "country_code") for one in (order.billing_address, order.shipping_address))
    country = billed or sent_to or own
    who = person(user_id=customer.id, email=email, phone=customer.phone or order.phone, country=country)
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
    product = {"product_id": sku, "name": line.name or line.title, "quantity": line.quantity, "price": line.price}
    return {**product, "total": _discounted(line)} if line.discount_allocations else product


def _discounted(line: _Line) -> str:
    """Returns what a line comes to. Its price is the one before discounts; a discount on the order is shared by the
    lines.
    """
    try:
        off = sum((Decimal(text(one.amount)) for one in line.discount_allocations), Decimal(0))
        return str(Decimal(text(line.price)) * line.quantity - off)
    except InvalidOperation:
        raise BadEvent(Reason.AMOUNT, "line_items: a price or a discount is not an amount") from None


def _refund(raw: bytes) -> Messages:
    refund = _decode_refund(raw)
    currency = next((one.currency for one in refund.transactions if one.currency), "")
    return _refunded(refund, currency or "", {})


def _refunded(refund: _Refund, currency: str, who: Mapping[str, Any]) -> Messages:
    """Returns the refunds. One refund may have several transactions, each a refund of its own; without a transaction
    no money went back.
    """
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
    consents = {"email": customer.email_marketing_consent, "sms": customer.sms_marketing_consent}
    consent = {name: one.state == SUBSCRIBED for name, one in consents.items() if one is not None and one.state}
    at = customer.updated_at or customer.created_at
    return [identify(traits, consent=consent, at=at, who=person(user_id=customer.id))]


_decode_order: Final = msgspec.json.Decoder(_Order).decode
_decode_refund: Final = msgspec.json.Decoder(_Refund).decode
_decode_fulfillment: Final = msgspec.json.Decoder(_Fulfillment).decode
_decode_customer: Final = msgspec.json.Decoder(_Customer).decode

_ADAPTERS: Final[Mapping[str, Callable[[bytes], Messages]]] = {
    "Order": _order,
    "Refund": _refund,
    "Fulfillment": _fulfillment,
    "Customer": _customer,
}
_TOPICS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/edited", "orders/paid", "orders/cancelled", "orders/fulfilled",
         "orders/partially_fulfilled"),
        "Order",
    ),
    "refunds/create": "Refund",
    **dict.fromkeys(("fulfillments/create", "fulfillments/update"), "Fulfillment"),
    **dict.fromkeys(("customers/create", "customers/update", "customers/enable", "customers/disable"), "Customer"),
}  # fmt: skip

# Fields that tell resources apart where a shop leaves the GraphQL id out.
_OF_REFUNDS: Final = ("transactions", "refund_line_items")
_OF_FULFILLMENTS: Final = ("status", "tracking_company", "tracking_number", "tracking_numbers", "shipment_status")
_OF_PAYMENTS: Final = ("kind", "gateway", "amount", "assigned_location", "fulfill_at")  # and orders to fulfill
_OF_CHECKOUTS: Final = ("abandoned_checkout_url", "invoice_url")  # and drafts of orders
_OF_CUSTOMERS: Final = ("email", "phone", "first_name", "last_name", "default_address", "addresses", "orders_count")
_OF_PRODUCTS: Final = ("title", "handle", "vendor", "variants", "domain")  # and collections, and the shop itself


def _verify(secret: bytes, delivery: Delivery, _: datetime) -> None:
    """Source: Shopify's page "Verify webhook deliveries"."""
    wanted = signature.in_base64(secret, delivery.raw)
    signature.same(delivery.header("x-shopify-hmac-sha256"), wanted, "X-Shopify-Hmac-Sha256")


VENDOR: Final = Vendor(
    name="shopify",
    headers=("webhook-", "x-shopify-", "content-type"),
    telling_headers=("x-shopify-topic",),
    verify=_verify,
    translate=translate,
)
