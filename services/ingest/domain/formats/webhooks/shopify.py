"""Shopify's webhooks: orders, refunds, customers, fulfillments.

Source: Shopify Admin API, REST resources Order, Fulfillment, and "Webhooks: HTTPS delivery".
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import (
    Delivery,
    Translated,
    country_in,
    of_nobody,
    person,
    repeated,
    track,
)
from services.ingest.domain.formats.webhooks.shopify_customers import (
    NOBODY,
    Messages,
    ShopCustomer,
    customer,
    email_consent,
    sms_consent,
)
from services.ingest.domain.formats.webhooks.shopify_money import (
    ShopRefund,
    currency_of,
    decimal_of,
    edited_total,
    went_back,
)
from services.ingest.domain.formats.webhooks.topic import Parts, check, has_any, parts, text_of
from services.ingest.domain.formats.webhooks.vendor import Vendor
from services.ingest.domain.values.message import Scalar, text

# Of an order that was never paid and will not be: what was authorised has been given up, or has run out.
UNPAID: Final = frozenset({"voided", "expired"})
DELETED: Final = "a thing that is gone"
_IN_SNAPSHOT: Final = {"$order": {"in_snapshot": True}}


class _Discount(msgspec.Struct, frozen=True, kw_only=True):
    amount: Scalar = None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    sku: Scalar = None
    variant_id: Scalar = None
    product_id: Scalar = None
    title: str | None = None
    name: str | None = None
    quantity: Decimal = Decimal(1)
    current_quantity: Decimal | None = None
    price: Scalar = None
    discount_allocations: list[_Discount] = []


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
    current_total_price: Scalar = None
    financial_status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    processed_at: str | None = None
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    test: bool | None = None
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    customer: ShopCustomer | None = None
    billing_address: Any = None
    shipping_address: Any = None
    line_items: list[_Line] = []
    refunds: list[ShopRefund] = []
    fulfillments: list[_Fulfillment] = []


def translate(delivery: Delivery) -> Translated:
    """Returns what a delivery means. Raises `BadEvent` if its body is not of its topic, and what msgspec raises.

    The signature covers the body alone. So the body says which resource it is, and its digest identifies a repeated
    delivery; anybody can write Shopify's headers for the event id and the topic. Of a thing that is gone it sends an id
    alone, whatever it was: give webhooks about anything but orders and customers a source of their own.
    """
    topic, delivery_id = delivery.header("x-shopify-topic"), delivery.digest()
    resource = _TOPICS.get(topic)
    if resource is None:
        return Translated(delivery_id=delivery_id, ignored=f"topic {topic or '(none)'}")
    check("X-Shopify-Topic", topic, of=resource, found=_resource(parts(delivery.raw)))
    messages = _ADAPTERS[resource](delivery.raw)
    if resource == "Order" and (nothing := of_nobody(delivery_id, f"{topic}: an order", messages)):
        return nothing
    if not messages and resource == "Order":  # and what comes about it later is nothing, too
        tried = text(_decode_order(delivery.raw).id)
        return Translated(delivery_id=delivery_id, ignored=f"{topic}: an order of a test", nobodys=(tried,))
    return Translated(delivery_id=delivery_id, messages=messages, ignored="" if messages else f"{topic}: no fact in it")


def _resource(found: Parts) -> str | None:
    """Returns which resource a payload is, by its GraphQL id (`gid://shopify/Order/450001`), or by fields that the
    other resources lack.
    """
    if found.keys() == {"id"}:
        return DELETED
    if "email_marketing_consent" in found and "customer_id" in found:
        return "EmailConsent"
    if "sms_marketing_consent" in found and not has_any(found, _OF_WHOLE_CUSTOMERS):
        return "SmsConsent"
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
    refunds = [(one, *part) for one in order.refunds for part in went_back(one, order.currency)]
    total = order.total_price
    if not order.cancelled_at:
        refunded = sum((amount for _, _, amount in refunds), Decimal(0))
        total = edited_total(order.total_price, order.current_total_price, refunded)
    who, order_id, placed_at = _who(order), text(order.id), order.processed_at or order.created_at
    gone = bool(order.cancelled_at) or order.financial_status in UNPAID
    properties = {
        "order_id": order_id,
        "currency": order.currency,
        "total": total,
        "placed_at": placed_at,
        "products": [_product(line) for line in order.line_items if line.current_quantity != 0],
        "$order": {
            "state": "cancelled" if gone else "placed",
            "whole": True,
            "refunds": [{"refund_id": name, "total": str(amount)} for _, name, amount in refunds],
        },
    }
    at = order.updated_at or placed_at
    made = [track("Order Completed", properties, at=at, who=who)]
    if gone:
        reason = {"order_id": order_id, "reason": order.cancel_reason or order.financial_status, **_IN_SNAPSHOT}
        cancelled = track("Order Cancelled", reason, at=order.cancelled_at or at, who=who)
        made.append(repeated(cancelled, of=order.cancelled_at))  # an order that is back may be cancelled again
    for refund, name, amount in refunds:
        back = _refunded(order_id, name, amount, order.currency)
        made.append(repeated(track("Order Refunded", {**back, **_IN_SNAPSHOT}, at=refund.created_at or at, who=who)))
    made += [repeated(message, of=text(one.id)) for one in order.fulfillments for message in _sent(one, who)]
    return made


def _who(order: _Order) -> dict[str, Any]:
    of = order.customer or NOBODY
    own = of.default_address.country_code if of.default_address else None
    billed, sent_to = (country_in(one, "country_code") for one in (order.billing_address, order.shipping_address))
    return person(
        user_id=of.id,
        email=of.email or order.email or order.contact_email,
        phone=of.phone or order.phone,
        country=billed or sent_to or own,
    )


def _product(line: _Line) -> dict[str, Any]:
    sku = text(line.sku) or text(line.variant_id) or text(line.product_id) or line.title
    quantity = line.quantity if line.current_quantity is None else line.current_quantity
    product = {"product_id": sku, "name": line.name or line.title, "quantity": str(quantity), "price": line.price}
    if not line.discount_allocations or quantity != line.quantity:
        return product
    return {**product, "total": _discounted(line)}


def _discounted(line: _Line) -> str:
    """Returns what a line comes to. Its price is the one before discounts; a discount on the order is shared by the
    lines.
    """
    off = [decimal_of(one.amount, "line_items: a discount") for one in line.discount_allocations]
    return str(decimal_of(line.price, "line_items: a price") * line.quantity - sum(off))


def _refund(raw: bytes) -> Messages:
    refund = _decode_refund(raw)
    order_id, currency = text(refund.order_id), currency_of(refund)
    return [
        track("Order Refunded", _refunded(order_id, name, amount, currency), at=refund.created_at, who={})
        for name, amount in went_back(refund, currency)
    ]


def _refunded(order_id: str, name: str, amount: Decimal, currency: str) -> dict[str, Any]:
    return {"order_id": order_id, "refund_id": name, "currency": currency, "total": str(amount)}


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


def _order_deleted(raw: bytes) -> Messages:
    gone = msgspec.json.decode(raw, type=_Deleted)
    return [track("Order Cancelled", {"order_id": text(gone.id), "reason": "deleted"}, at=None, who={})]


class _Deleted(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar


_decode_order: Final = msgspec.json.Decoder(_Order).decode
_decode_refund: Final = msgspec.json.Decoder(ShopRefund).decode
_decode_fulfillment: Final = msgspec.json.Decoder(_Fulfillment).decode

_ADAPTERS: Final[Mapping[str, Callable[[bytes], Messages]]] = {
    "Order": _order,
    "Refund": _refund,
    "Fulfillment": _fulfillment,
    "Customer": customer,
    "EmailConsent": email_consent,
    "SmsConsent": sms_consent,
    DELETED: _order_deleted,
}
_TOPICS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled",
         "orders/partially_fulfilled"),
        "Order",
    ),
    "orders/delete": DELETED,
    "refunds/create": "Refund",
    "customers_email_marketing_consent/update": "EmailConsent",
    "customers_marketing_consent/update": "SmsConsent",
    **dict.fromkeys(("fulfillments/create", "fulfillments/update"), "Fulfillment"),
    **dict.fromkeys(("customers/create", "customers/update", "customers/enable", "customers/disable"), "Customer"),
}  # fmt: skip

# Fields that tell resources apart where a shop leaves the GraphQL id out.
_OF_REFUNDS: Final = ("transactions", "refund_line_items")
_OF_FULFILLMENTS: Final = ("status", "tracking_company", "tracking_number", "tracking_numbers", "shipment_status")
_OF_PAYMENTS: Final = ("kind", "gateway", "amount", "assigned_location", "fulfill_at")  # and orders to fulfill
_OF_CHECKOUTS: Final = ("abandoned_checkout_url", "invoice_url")  # and drafts of orders
_OF_CUSTOMERS: Final = ("email", "phone", "first_name", "last_name", "default_address", "addresses", "orders_count")
_OF_WHOLE_CUSTOMERS: Final = ("email", "first_name", "last_name", "default_address", "orders_count", "created_at")
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
    numbers_its_own=True,
    translate=translate,
    topics=(
        "orders/create",
        "orders/updated",
        "orders/delete",
        "refunds/create",
        "fulfillments/create",
        "fulfillments/update",
        "customers/create",
        "customers/update",
        "customers_email_marketing_consent/update",
        "customers_marketing_consent/update",
    ),
    topic=lambda delivery: delivery.header("x-shopify-topic"),
)
