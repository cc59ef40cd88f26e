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
from services.ingest.domain.formats.webhooks.delivery import (
    Delivery,
    Translated,
    country_in,
    identify,
    names_somebody,
    person,
    repeated,
    track,
)
from services.ingest.domain.formats.webhooks.topic import Parts, check, has_any, parts, text_of
from services.ingest.domain.formats.webhooks.vendor import Vendor
from services.ingest.domain.values.message import Scalar, text

# What a customer's state of consent states; of those that wait for the customer, nothing.
CONSENTS: Final[Mapping[str, bool]] = {
    "subscribed": True,
    "unsubscribed": False,
    "not_subscribed": False,
    "redacted": False,
}
# Of an order that was never paid and will not be: what was authorised has been given up, or has run out.
UNPAID: Final = frozenset({"voided", "expired"})
DELETED: Final = "a deleted order"


class _Consent(msgspec.Struct, frozen=True, kw_only=True):
    state: str | None = None
    consent_updated_at: str | None = None


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
    sku: Scalar = None
    variant_id: Scalar = None
    product_id: Scalar = None
    title: str | None = None
    name: str | None = None
    quantity: Decimal = Decimal(1)
    current_quantity: Decimal | None = None
    price: Scalar = None
    discount_allocations: list[_Discount] = []


class _Transaction(msgspec.Struct, frozen=True, kw_only=True):
    kind: str | None = None
    status: str | None = None
    amount: Scalar = None
    currency: str | None = None


class _Money(msgspec.Struct, frozen=True, kw_only=True):
    amount: Scalar = None
    currency_code: str | None = None


class _MoneyBag(msgspec.Struct, frozen=True, kw_only=True):
    shop_money: _Money | None = None


class _RefundLine(msgspec.Struct, frozen=True, kw_only=True):
    subtotal_set: _MoneyBag | None = None
    total_tax_set: _MoneyBag | None = None


class _Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    amount_set: _MoneyBag | None = None
    tax_amount_set: _MoneyBag | None = None


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    order_id: Scalar
    created_at: str | None = None
    transactions: list[_Transaction] = []
    refund_line_items: list[_RefundLine] = []
    order_adjustments: list[_Adjustment] = []


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
    if messages and resource == "Order" and not names_somebody(messages[0]):
        order_id = str(messages[0]["properties"]["order_id"])
        return Translated(delivery_id=delivery_id, ignored=f"{topic}: an order of nobody known", nobodys=(order_id,))
    return Translated(delivery_id=delivery_id, messages=messages, ignored="" if messages else f"{topic}: no fact in it")


def _resource(found: Parts) -> str | None:
    """Returns which resource a payload is, by its GraphQL id (`gid://shopify/Order/450001`), or by fields that the
    other resources lack.
    """
    if found.keys() == {"id"}:
        return DELETED
    if "email_marketing_consent" in found and "customer_id" in found:
        return "EmailConsent"
    if "sms_marketing_consent" in found and found.keys() <= _OF_SMS_CONSENT:
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
    customer = order.customer or _Customer()
    email = customer.email or order.email or order.contact_email
    own = customer.default_address.country_code if customer.default_address else None
    billed, sent_to = (country_in(one, "country_code") for one in (order.billing_address, order.shipping_address))
    country = billed or sent_to or own
    who = person(user_id=customer.id, email=email, phone=customer.phone or order.phone, country=country)
    placed_at = order.processed_at or order.created_at
    refunds = [one for refund in order.refunds for one in _went_back(refund, order.currency)]
    gone = bool(order.cancelled_at) or order.financial_status in UNPAID
    order_id = text(order.id)
    properties = {
        "order_id": order_id,
        "currency": order.currency,
        "total": _total(order, sum((amount for _, amount in refunds), Decimal(0))),
        "placed_at": placed_at,
        "products": [_product(line) for line in order.line_items if line.current_quantity != 0],
        "$order": {
            "state": "cancelled" if gone else "placed",
            "whole": True,
            "refunds": [{"refund_id": name, "total": str(amount)} for name, amount in refunds],
        },
    }
    at = order.updated_at or placed_at
    made = [track("Order Completed", properties, at=at, who=who)]
    told = {"$order": {"in_snapshot": True}}
    if gone:
        reason = {"order_id": order_id, "reason": order.cancel_reason or order.financial_status, **told}
        made.append(repeated(track("Order Cancelled", reason, at=order.cancelled_at or at, who=who)))
    for refund in order.refunds:
        for name, amount in _went_back(refund, order.currency):
            back = {"order_id": order_id, "refund_id": name, "currency": order.currency, "total": str(amount), **told}
            made.append(repeated(track("Order Refunded", back, at=refund.created_at, who=who)))
    made += [repeated(message) for one in order.fulfillments for message in _sent(one, who)]
    return made


def _total(order: _Order, refunded: Decimal) -> Scalar:
    """Returns what an order comes to after it was edited, before anything of it was refunded.

    Of the two totals that Shopify gives, `current_total_price` is less what was taken out of the order and what was
    returned; `total_price` has both still in it, but not always what was added. What was taken out and not refunded was
    not paid.
    """
    if order.current_total_price is None or order.cancelled_at:
        return order.total_price
    first, now = (_decimal(one, "total_price") for one in (order.total_price, order.current_total_price))
    paid = now + refunded
    return str(paid if now > first else min(first, paid))


def _decimal(value: Scalar, at: str) -> Decimal:
    try:
        return Decimal(text(value))
    except InvalidOperation:
        raise BadEvent(Reason.AMOUNT, f"{at}: {text(value)[:40]!r} is not an amount") from None


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
    try:
        off = sum((Decimal(text(one.amount)) for one in line.discount_allocations), Decimal(0))
        return str(Decimal(text(line.price)) * line.quantity - off)
    except InvalidOperation:
        raise BadEvent(Reason.AMOUNT, "line_items: a price or a discount is not an amount") from None


def _refund(raw: bytes) -> Messages:
    refund = _decode_refund(raw)
    currency = next((one.currency for one in refund.transactions if one.currency), "")
    if shop := _shop_money(refund):
        currency = shop[0]
    return [
        track(
            "Order Refunded",
            {"order_id": text(refund.order_id), "refund_id": name, "currency": currency, "total": str(amount)},
            at=refund.created_at,
            who={},
        )
        for name, amount in _went_back(refund, currency or "")
    ]


def _went_back(refund: _Refund, currency: str) -> list[tuple[str, Decimal]]:
    """Returns what went back, in the order's currency: each transaction by itself, under a name that stays its own.

    Without a transaction that succeeded no money went back. In another currency than the order's it is what the refund
    says that it comes to in the shop's money; raises `BadEvent` if it does not say so.
    """
    found = [
        (f"{text(refund.id)}-{n}" if n else text(refund.id), one)
        for n, one in enumerate(one for one in refund.transactions if one.kind == "refund")
        if one.status == "success"
    ]
    if all(one.currency in (None, currency) for _, one in found):
        return [(name, _decimal(one.amount, "transactions.amount")) for name, one in found]
    shop = _shop_money(refund)
    if shop is None or shop[0] != currency:
        raise BadEvent(
            Reason.CURRENCY,
            f"refunds.transactions: not in {currency}, which the order is in, and the refund has no amount in it",
        )
    return [(text(refund.id), shop[1])]


def _shop_money(refund: _Refund) -> tuple[str, Decimal] | None:
    """Returns the currency of the shop, and what its refund comes to in that, if lines and adjustments have it."""
    # What a line gives back is positive, an adjustment that gives more back is negative.
    lines = [bag for one in refund.refund_line_items for bag in (one.subtotal_set, one.total_tax_set)]
    others = [bag for one in refund.order_adjustments for bag in (one.amount_set, one.tax_amount_set)]
    signed = [(bag.shop_money, sign) for bags, sign in ((lines, 1), (others, -1)) for bag in bags if bag]
    money = [(one, sign) for one, sign in signed if one is not None]
    currencies = {one.currency_code for one, _ in money if one.currency_code}
    if len(currencies) != 1:
        return None
    return currencies.pop(), sum((_decimal(one.amount, "shop_money") * sign for one, sign in money), Decimal(0))


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
    stated = {"email": customer.email_marketing_consent, "sms": customer.sms_marketing_consent}
    consent = {name: agreed for name, one in stated.items() if (agreed := _agreed(one)) is not None}
    at = customer.updated_at or customer.created_at
    return [identify(traits, consent=consent, at=at, who=person(user_id=customer.id))]


class _EmailConsent(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: Scalar
    email_marketing_consent: _Consent
    email_address: str | None = None


class _SmsConsent(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    sms_marketing_consent: _Consent
    phone: str | None = None


def _email_consent(raw: bytes) -> Messages:
    found = msgspec.json.decode(raw, type=_EmailConsent)
    who = person(user_id=found.customer_id, email=found.email_address)
    return _consented("email", found.email_marketing_consent, who)


def _sms_consent(raw: bytes) -> Messages:
    found = msgspec.json.decode(raw, type=_SmsConsent)
    return _consented("sms", found.sms_marketing_consent, person(user_id=found.id, phone=found.phone))


def _consented(channel: str, consent: _Consent, who: Mapping[str, Any]) -> Messages:
    agreed = _agreed(consent)
    if agreed is None:
        return []
    context = {**who.get("context", {}), "consent": {"categoryPreferences": {channel: agreed}}}
    return [{"type": "identify", "traits": {}, "timestamp": consent.consent_updated_at, **who, "context": context}]


def _agreed(consent: _Consent | None) -> bool | None:
    return None if consent is None or consent.state is None else CONSENTS.get(consent.state)


def _order_deleted(raw: bytes) -> Messages:
    gone = msgspec.json.decode(raw, type=_Deleted)
    return [track("Order Cancelled", {"order_id": text(gone.id), "reason": "deleted"}, at=None, who={})]


class _Deleted(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar


_decode_order: Final = msgspec.json.Decoder(_Order).decode
_decode_refund: Final = msgspec.json.Decoder(_Refund).decode
_decode_fulfillment: Final = msgspec.json.Decoder(_Fulfillment).decode
_decode_customer: Final = msgspec.json.Decoder(_Customer).decode

_ADAPTERS: Final[Mapping[str, Callable[[bytes], Messages]]] = {
    "Order": _order,
    "Refund": _refund,
    "Fulfillment": _fulfillment,
    "Customer": _customer,
    "EmailConsent": _email_consent,
    "SmsConsent": _sms_consent,
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
_OF_SMS_CONSENT: Final = frozenset({"id", "phone", "sms_marketing_consent"})
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
)
