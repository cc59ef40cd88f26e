"""The bodies of the typed routes, one for each kind of fact, and the messages that they are.

Each is what a storefront or a back office knows of one thing that happened. Fields that are not known are refused, so
that a misspelt one is not lost. Amounts are decimals in the currency's own units, as a text or as a number.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import phone
from shared.contracts.events import MARKETING

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who it is about: one of these at least. The `country` (ISO 3166-1 alpha-2) names nobody: a `phone` in national
    form is read by it.
    """

    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of an order or a cart: the price of one piece, or what the line comes to."""

    sku: str
    name: str = ""
    category: str = ""
    quantity: int = 1
    unit_price: Decimal | None = None
    unit_cost: Decimal | None = None
    total: Decimal | None = None


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all have in common. `occurred_at` (RFC 3339) is now if absent; `historical` facts set off no message."""

    customer: Customer
    occurred_at: str | None = None
    historical: bool = False

    def call(self) -> dict[str, Any]:
        """What the tracking API would be told."""
        raise NotImplementedError


def _tracked(event: str, fact: msgspec.Struct, **changes: Any) -> dict[str, Any]:
    said = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in Fact.__struct_fields__}
    properties = {name: value for name, value in (said | changes).items() if value not in (None, "")}
    return {"type": "track", "event": event, "properties": properties}


def _products(lines: list[Line]) -> list[dict[str, Any]]:
    return [
        {
            "sku": line.sku,
            "name": line.name,
            "category": line.category,
            "quantity": line.quantity,
            "price": line.unit_price,
            "cost": line.unit_cost,
            "total": line.total,
        }
        for line in lines
    ]


class Order(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order was placed; sent again with other items or another total, the later one counts."""

    order_id: str
    currency: str
    total: Decimal
    items: list[Line] = []
    placed_at: str | None = None

    def call(self) -> dict[str, Any]:
        """As `Order Completed`."""
        return _tracked("Order Completed", self, items=None, products=_products(self.items))


class Refund(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money went back for an order."""

    order_id: str
    refund_id: str
    currency: str
    total: Decimal

    def call(self) -> dict[str, Any]:
        """As `Order Refunded`."""
        return _tracked("Order Refunded", self)


class Cancellation(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order no longer stands."""

    order_id: str
    reason: str = ""

    def call(self) -> dict[str, Any]:
        """As `Order Cancelled`."""
        return _tracked("Order Cancelled", self)


class Shipment(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order left for the customer."""

    order_id: str
    carrier: str = ""
    tracking_number: str = ""

    def call(self) -> dict[str, Any]:
        """As `Order Shipped`."""
        return _tracked("Order Shipped", self)


class Delay(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order will come later than promised."""

    order_id: str
    reason: str = ""
    expected_at: str = ""

    def call(self) -> dict[str, Any]:
        """As `Order Delayed`."""
        return _tracked("Order Delayed", self)


class Delivery(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order reached the customer."""

    order_id: str

    def call(self) -> dict[str, Any]:
        """As `Order Delivered`."""
        return _tracked("Order Delivered", self)


class PageView(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page or a screen was seen."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""

    def call(self) -> dict[str, Any]:
        """As a page call."""
        return {**_tracked("", self), "type": "page"}


class ProductView(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A product page was seen."""

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price: Decimal | None = None

    def call(self) -> dict[str, Any]:
        """As `Product Viewed`."""
        return _tracked("Product Viewed", self)


class Cart(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What lies in a cart now. Without a total it is the sum of the lines."""

    cart_id: str
    currency: str
    items: list[Line]
    total: Decimal | None = None

    def call(self) -> dict[str, Any]:
        """As `Cart Updated`."""
        return _tracked("Cart Updated", self, items=None, products=_products(self.items))


class Checkout(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer began to pay."""

    checkout_id: str
    currency: str
    items: list[Line] = []
    total: Decimal | None = None

    def call(self) -> dict[str, Any]:
        """As `Checkout Started`."""
        return _tracked("Checkout Started", self, items=None, products=_products(self.items))


class Identified(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who a customer is: traits, and consent by channel, which means marketing, or by `channel:purpose`."""

    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}

    def call(self) -> dict[str, Any]:
        """As an identify call."""
        context = {"consent": {"categoryPreferences": self.consent}} if self.consent else {}
        return {"type": "identify", "traits": self.traits, "context": context}


class Consent(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer gave consent to a channel and a purpose, or withdrew it; `evidence` is how: the form, its wording."""

    channel: str
    granted: bool
    purpose: str = MARKETING
    evidence: dict[str, Any] = {}

    def call(self) -> dict[str, Any]:
        """As `Consent Changed`."""
        return _tracked("Consent Changed", self)


class Custom(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Anything that has no route of its own."""

    name: str
    properties: dict[str, Any] = {}

    def call(self) -> dict[str, Any]:
        """As a track call of that name."""
        return {"type": "track", "event": self.name, "properties": self.properties}


class Kind(msgspec.Struct, frozen=True):
    """A typed route: its body, and what makes two requests one: `content` (the body names a thing of the business),
    `moment` (the body and its `occurred_at`), or nothing but an Idempotency-Key.
    """

    body: type[Fact]
    key: Literal["content", "moment", "header"]


KINDS: Final[Mapping[str, Kind]] = {
    "orders": Kind(Order, "content"),
    "refunds": Kind(Refund, "content"),
    "cancellations": Kind(Cancellation, "content"),
    "shipments": Kind(Shipment, "content"),
    "delays": Kind(Delay, "content"),
    "deliveries": Kind(Delivery, "content"),
    "checkouts": Kind(Checkout, "content"),
    "carts": Kind(Cart, "moment"),
    "customers": Kind(Identified, "moment"),
    "consents": Kind(Consent, "moment"),
    "page-views": Kind(PageView, "header"),
    "product-views": Kind(ProductView, "header"),
    "events": Kind(Custom, "header"),
}
# Texts that must say something: an empty one would be taken for one that was left out.
_REQUIRED: Final = {
    name: [field.name for field in msgspec.structs.fields(kind.body) if field.required and field.type is str]
    for name, kind in KINDS.items()
}
_decoders: Final = {name: msgspec.json.Decoder(kind.body).decode for name, kind in KINDS.items()}


def message(kind: str, raw: bytes, idempotency_key: str) -> bytes:
    """The message that a request's body is; raises `BadEvent`, naming the field."""
    try:
        fact = _decoders[kind](raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(Reason.MALFORMED, f"body: {_named(str(error))}") from None
    for name in _REQUIRED[kind]:
        if not getattr(fact, name).strip():
            raise BadEvent(Reason.REQUIRED, f"{name}: required; it must not be empty")
    customer = fact.customer
    if customer.country is not None and phone.country(customer.country) is None:
        raise BadEvent(Reason.MALFORMED, f"customer.country: {customer.country!r}; send {phone.EXAMPLE}")
    call = fact.call()
    context = call.pop("context", {})
    traits = {name: value for name in ("email", "phone", "country") if (value := getattr(customer, name))}
    return _encode(
        {
            **call,
            "messageId": _message_id(kind, fact, idempotency_key),
            "timestamp": fact.occurred_at,
            "userId": customer.user_id,
            "anonymousId": customer.anonymous_id,
            "context": {**context, "historical": fact.historical, **({"traits": traits} if traits else {})},
        }
    )


def fingerprint(kind: str, raw: bytes) -> bytes:
    """Returns a digest of what a body says, however it is spaced and in whichever order; raises what msgspec raises."""
    return hashlib.blake2b(_encode(_decoders[kind](raw)), digest_size=16).digest()


def _message_id(kind: str, fact: Fact, idempotency_key: str) -> str:
    """The same request has the same id, however often it is sent."""
    key = KINDS[kind].key
    if idempotency_key:
        said = idempotency_key.encode()
    elif key == "content" or (key == "moment" and fact.occurred_at):
        said = _encode(fact)
    elif key == "moment":
        raise BadEvent(Reason.REQUIRED, "occurred_at: required where there is no Idempotency-Key header; send either")
    else:
        raise BadEvent(Reason.REQUIRED, "Idempotency-Key: this header is required; send one for each fact")
    return f"{kind}/{hashlib.blake2b(said, digest_size=20).hexdigest()}"


def _named(text: str) -> str:
    """What msgspec says of a place, with the place as people write it."""
    return text.replace("`$.", "`").replace("`$`", "the body")


# A place in a message, and the field of the typed body that it came from.
_PLACES: Final = (
    ("properties.products", "items"),
    ("].price", "].unit_price"),
    ("].cost", "].unit_cost"),
    ("].product_id", "].sku"),
    ("properties.", ""),
    ("traits.email", "customer.email"),
    ("traits.phone", "customer.phone"),
    ("traits.country", "customer.country"),
    ("userId", "customer.user_id"),
    ("an anonymousId", "a customer.anonymous_id"),
    ("anonymousId", "customer.anonymous_id"),
)


def placed(kind: str, text: str) -> str:
    """What was wrong with a message, in the words of the typed body that it came from."""
    has_properties = "properties" in KINDS[kind].body.__struct_fields__
    for theirs, ours in _PLACES:
        if not (has_properties and theirs.startswith("properties.")):
            text = text.replace(theirs, ours)
    return f"occurred_at{text.removeprefix('timestamp')}" if text.startswith("timestamp: ") else text
