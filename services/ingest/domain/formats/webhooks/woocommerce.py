"""WooCommerce's webhooks: orders with their refunds, customers.

Source: WooCommerce REST API v3, resources Order and Customer, and "Webhooks".
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import (
    Delivery,
    Translated,
    country_in,
    identify,
    of_nobody,
    person,
    repeated,
    track,
)
from services.ingest.domain.formats.webhooks.topic import Parts, check, has_any, parts
from services.ingest.domain.formats.webhooks.vendor import Vendor
from services.ingest.domain.values.message import Scalar, members, text

# What WooCommerce's own states say of an order. Of the states that plugins add nobody knows: the order stays as it is.
STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("processing", "completed", "on-hold", "refunded"), "placed"),
    **dict.fromkeys(("cancelled", "trash"), "cancelled"),
    **dict.fromkeys(("pending", "failed", "checkout-draft", "auto-draft", "draft"), "pending"),
}
DELETED: Final = "a thing that is gone"
RESTORED: Final = "order.restored"


class _Billing(msgspec.Struct, frozen=True, kw_only=True):
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    country: str | None = None
    city: str | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    sku: Scalar = None
    product_id: Scalar = None
    variation_id: Scalar = None
    name: str | None = None
    quantity: Decimal = Decimal(1)
    total: Scalar = None


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    total: Scalar = None


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    status: str
    currency: str = ""
    total: Scalar = None
    customer_id: Scalar = None
    billing: _Billing | None = None
    shipping: Any = None
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    transaction_id: Scalar = None
    line_items: list[_Line] | dict[str, _Line] = []
    refunds: list[_Refund] | dict[str, _Refund] = []


class _Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    billing: _Billing | None = None
    shipping: Any = None


class _Gone(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar


Messages = list[dict[str, Any]]


def translate(delivery: Delivery) -> Translated:
    """Returns what a delivery means. Raises `BadEvent` if its body is not of its topic, and what msgspec raises.

    The signature covers the body alone. So the body says which resource it is, and its digest identifies a repeated
    delivery; anybody can write WooCommerce's headers for the topic and the delivery id. Of a thing that is gone it
    sends an id alone, whatever it was: give webhooks about anything but orders and customers a source of their own.
    """
    topic, delivery_id = delivery.header("x-wc-webhook-topic"), delivery.digest()
    resource = _TOPICS.get(topic)
    if resource is None:  # a new webhook is tried with a form, `webhook_id=1`, that has no topic
        return Translated(delivery_id=delivery_id, ignored=f"topic {topic or '(none)'}")
    check("X-WC-Webhook-Topic", topic, of=resource, found=_resource(parts(delivery.raw)))
    messages = _ADAPTERS[resource](delivery.raw)
    if resource == "Order" and (nothing := of_nobody(delivery_id, f"{topic}: an order", messages)):
        return nothing
    if topic == RESTORED:  # it was deleted at a time that nobody says, and is back since it is said
        messages = [{**one, "timestamp": None} for one in messages]
    return Translated(delivery_id=delivery_id, messages=messages, ignored="" if messages else f"{topic}: no fact in it")


def _resource(found: Parts) -> str | None:
    """Returns which resource a payload is, by fields that the other resources lack."""
    if found.keys() == {"id"}:
        return DELETED
    if "line_items" in found:
        return "Order" if "status" in found and not has_any(found, _OF_SUBSCRIPTIONS) else None
    return "Customer" if has_any(found, _OF_CUSTOMERS) and not has_any(found, _OF_OTHERS) else None


def _order(raw: bytes) -> Messages:
    order = _decode_order(raw)
    billing = order.billing or _Billing()
    guest = text(order.customer_id) in ("", "0")
    who = person(
        user_id=None if guest else text(order.customer_id),
        email=billing.email,
        phone=billing.phone,
        country=billing.country or country_in(order.shipping),
    )
    at, changed = _utc(order.date_created_gmt), _utc(order.date_modified_gmt)
    order_id, state = text(order.id), STATES.get(order.status, "unsaid")
    if state == "pending" and order.status != "pending" and not order.line_items:
        return []  # a draft of nothing yet
    refunds = [{"refund_id": text(one.id), "total": _positive(one.total)} for one in members(order.refunds)]
    properties = {
        "order_id": order_id,
        "currency": order.currency,
        "total": order.total,
        "placed_at": at,
        "products": [_product(line) for line in members(order.line_items)],
        "$order": {
            "state": state,
            "whole": True,
            "refunds": refunds,
            "payment_refs": [ref] if (ref := text(order.transaction_id)) else [],
        },
    }
    made = [track("Order Completed", properties, at=changed or at, who=who)]
    told = {"order_id": order_id, "$order": {"in_snapshot": True}}
    if state == "cancelled":
        made.append(repeated(track("Order Cancelled", {**told, "reason": order.status}, at=changed or at, who=who)))
    for refund in refunds:
        back = {**told, **refund, "currency": order.currency}
        made.append(repeated(track("Order Refunded", back, at=changed or at, who=who)))
    if order.status == "completed":
        made.append(repeated(track("Order Shipped", {"order_id": order_id}, at=changed or at, who=who)))
    return made


def _product(line: _Line) -> dict[str, Any]:
    variation = text(line.variation_id)
    sku = text(line.sku) or (variation if variation not in ("", "0") else text(line.product_id)) or line.name
    return {"product_id": sku, "name": line.name, "quantity": str(line.quantity), "total": line.total}


def _positive(amount: Scalar) -> str:
    """Returns an amount without its sign: refunds are negative there and positive here."""
    try:
        return str(abs(Decimal(text(amount))))
    except InvalidOperation:
        raise BadEvent(Reason.AMOUNT, f"refunds.total: {amount!r} is not an amount") from None


def _order_deleted(raw: bytes) -> Messages:
    gone = msgspec.json.decode(raw, type=_Gone)
    return [track("Order Cancelled", {"order_id": text(gone.id), "reason": "deleted"}, at=None, who={})]


def _customer(raw: bytes) -> Messages:
    customer = _decode_customer(raw)
    billing = customer.billing or _Billing()
    traits = {
        "email": customer.email or billing.email,
        "phone": billing.phone,
        "first_name": customer.first_name or billing.first_name,
        "last_name": customer.last_name or billing.last_name,
        "country": billing.country or country_in(customer.shipping),
        "city": billing.city,
    }
    at = _utc(customer.date_modified_gmt) or _utc(customer.date_created_gmt)
    return [identify(traits, consent={}, at=at, who=person(user_id=text(customer.id)))]


def _utc(moment: str | None) -> str | None:
    """Returns a time with its zone: WooCommerce writes UTC without it."""
    return f"{moment}Z" if moment and moment[-1].isdigit() else moment


_decode_order: Final = msgspec.json.Decoder(_Order).decode
_decode_customer: Final = msgspec.json.Decoder(_Customer).decode

_ADAPTERS: Final[Mapping[str, Callable[[bytes], Messages]]] = {
    "Order": _order,
    DELETED: _order_deleted,
    "Customer": _customer,
}
_TOPICS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("order.created", "order.updated", RESTORED), "Order"),
    "order.deleted": DELETED,
    **dict.fromkeys(("customer.created", "customer.updated"), "Customer"),
}

# Fields that tell resources apart.
_OF_SUBSCRIPTIONS: Final = ("billing_period", "billing_interval")
_OF_CUSTOMERS: Final = ("email", "first_name", "last_name", "username", "billing")
_OF_OTHERS: Final = ("status", "permalink", "code", "order_id")  # products and coupons, refunds


_TRIAL: Final = re.compile(rb"webhook_id=[0-9]+")


def _verify(secret: bytes, delivery: Delivery, _: datetime) -> None:
    """Source: WooCommerce's page "Webhooks: delivery headers"."""
    if not delivery.header("x-wc-webhook-topic") and _TRIAL.fullmatch(delivery.raw):
        return  # a new webhook is tried with this form, unsigned; without a topic it means nothing
    wanted = signature.in_base64(secret, delivery.raw)
    signature.same(delivery.header("x-wc-webhook-signature"), wanted, "X-WC-Webhook-Signature")


VENDOR: Final = Vendor(
    name="woocommerce",
    headers=("webhook-", "x-wc-webhook-", "content-type"),
    telling_headers=("x-wc-webhook-topic",),
    verify=_verify,
    numbers_its_own=True,
    translate=translate,
    topics=(
        "order.created",
        "order.updated",
        "order.deleted",
        "order.restored",
        "customer.created",
        "customer.updated",
    ),
    topic=lambda delivery: delivery.header("x-wc-webhook-topic"),
)
