"""The names of events that mean something here, each with the way its properties become a typed event.

Source of names and properties: Segment's specification of e-commerce events, version 2. What is about an order is
strict: it is taken whole or refused with the reason. What is behaviour is lenient: without the properties that its
type needs it is kept as a `CustomEvent`. Properties for which a typed event has no field are kept in it as they are.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from services.ingest.domain.catalogue.properties import Held, Properties, beside
from services.ingest.domain.definitions import consent
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import message, money, times
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import (
    MARKETING,
    SURVEY_SCALES,
    Body,
    CartUpdated,
    CheckoutStarted,
    ConsentChanged,
    FeedbackSubmitted,
    Item,
    OrderCancelled,
    OrderDelayed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    ProductViewed,
    Told,
)
from shared.contracts.moments import BOUNDS, is_plausible

MAX_QUANTITY: Final = 1_000_000


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One product, as a line of an order or by itself."""

    sku: Scalar = None
    product_id: Scalar = None
    name: Scalar = None
    category: Scalar = None
    currency: Scalar = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    cost: Decimal | None = None
    total: Decimal | None = None  # of the line


class _Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What an order, a checkout and a cart have in common."""

    order_id: Scalar = None
    checkout_id: Scalar = None
    cart_id: Scalar = None
    currency: Scalar = None
    total: Decimal | None = None
    revenue: Decimal | None = None
    value: Decimal | None = None
    products: tuple[Product, ...] | None = None
    placed_at: Scalar = None


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    order_id: Scalar = None
    refund_id: Scalar = None
    currency: Scalar = None
    total: Decimal | None = None
    amount: Decimal | None = None
    revenue: Decimal | None = None


class _Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an order on its way."""

    order_id: Scalar = None
    reason: Scalar = None
    carrier: Scalar = None
    tracking_number: Scalar = None
    expected_at: Scalar = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    survey: Literal["nps", "csat"] = "nps"
    rating: Decimal | None = None
    text: Scalar = None
    order_id: Scalar = None


class _Consent(msgspec.Struct, frozen=True, kw_only=True):
    channel: Scalar = None
    purpose: Scalar = None
    granted: bool | None = None
    evidence: dict[str, Any] | None = None


class _KnownProduct(Product, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product of which nothing else is said."""


class _KnownSale(_Sale, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sale of which nothing else is said, of its lines neither."""

    products: tuple[_KnownProduct, ...] | None = None


MAX_ID_LENGTH: Final = 256  # characters: ids are keys of tables, and an index takes only so much


# What is about an order


def _order_placed(sale: _Sale, _: str) -> OrderPlaced:
    order_id = _required(sale.order_id, "order_id")
    code = money.currency(sale.currency)
    return OrderPlaced(
        order_id=order_id,
        currency=code,
        total_minor=_first_amount(code, total=sale.total, revenue=sale.revenue),
        items=_items(sale.products or (), code),
        placed_at=_placed_at(sale.placed_at),
    )


def _placed_at(value: Scalar) -> datetime | None:
    found = text(value)
    if not found:
        return None
    moment = times.moment(found)
    if moment is None:
        raise BadEvent(Reason.TIME, "properties.placed_at: not a time with a zone; send ISO 8601")
    if not is_plausible(moment):
        raise BadEvent(Reason.TIME, f"properties.placed_at: {found[:40]!r} is no such time; send one {BOUNDS}")
    return moment


def _order_refunded(refund: _Refund, message_id: str) -> OrderRefunded:
    order_id = _required(refund.order_id, "order_id")
    code = money.currency(refund.currency)
    return OrderRefunded(
        order_id=order_id,
        refund_id=_short(text(refund.refund_id), "refund_id") or message_id,
        currency=code,
        amount_minor=_first_amount(code, total=refund.total, amount=refund.amount, revenue=refund.revenue),
    )


def _order_cancelled(progress: _Progress, _: str) -> OrderCancelled:
    return OrderCancelled(order_id=_required(progress.order_id, "order_id"), reason=text(progress.reason))


def _order_shipped(progress: _Progress, _: str) -> OrderShipped:
    return OrderShipped(
        order_id=_required(progress.order_id, "order_id"),
        carrier=text(progress.carrier),
        tracking_number=text(progress.tracking_number),
    )


def _order_delayed(progress: _Progress, _: str) -> OrderDelayed:
    return OrderDelayed(
        order_id=_required(progress.order_id, "order_id"),
        reason=text(progress.reason),
        expected_at=text(progress.expected_at),
    )


def _order_delivered(progress: _Progress, _: str) -> OrderDelivered:
    return OrderDelivered(order_id=_required(progress.order_id, "order_id"))


def _feedback(answer: _Answer, _: str) -> FeedbackSubmitted:
    if answer.rating is None:
        raise BadEvent(Reason.REQUIRED, "rating: required; send a whole number in properties.rating")
    scale = SURVEY_SCALES[answer.survey]
    rating = _whole(answer.rating, at="properties.rating", reason=Reason.RATING)
    if rating not in scale:
        raise BadEvent(
            Reason.RATING, f"properties.rating: not on the {answer.survey} scale of {scale[0]} to {scale[-1]}"
        )
    return FeedbackSubmitted(
        survey=answer.survey, rating=rating, text=text(answer.text), order_id=text(answer.order_id) or None
    )


def _consent_changed(said: _Consent, _: str) -> ConsentChanged:
    if said.granted is None:
        raise BadEvent(
            Reason.CONSENT, "granted: required; send true in properties.granted, or false to withdraw what was given"
        )
    return consent.checked(
        ConsentChanged(
            channel=_required(said.channel, "channel").lower(),
            purpose=text(said.purpose).lower() or MARKETING,
            granted=said.granted,
            evidence=said.evidence or {},
        )
    )


# What is behaviour


def _product_viewed(product: Product, _: str) -> ProductViewed | None:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        return None
    code = money.currency(product.currency) if text(product.currency) else ""
    price = None if product.price is None or not code else money.minor(product.price, code, at="properties.price")
    return ProductViewed(
        sku=sku, name=text(product.name), category=text(product.category), currency=code, price_minor=price
    )


def _cart_updated(sale: _Sale, _: str) -> CartUpdated | None:
    cart_id = text(sale.cart_id)
    if not cart_id or sale.products is None or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = _items(sale.products, code)
    return CartUpdated(cart_id=cart_id, currency=code, total_minor=_total(sale, items, code), items=items)


def _checkout_started(sale: _Sale, _: str) -> CheckoutStarted | None:
    checkout_id = text(sale.checkout_id) or text(sale.order_id) or text(sale.cart_id)
    if not checkout_id or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = _items(sale.products or (), code)
    return CheckoutStarted(checkout_id=checkout_id, currency=code, total_minor=_total(sale, items, code), items=items)


_TOTAL: Final = ("total", "revenue")
_VALUE: Final = ("total", "revenue", "value")
_SKU: Final = ("sku", "product_id")
_CHECKOUT_ID: Final = ("checkout_id", "order_id", "cart_id")
_LINE: Final[Held] = (_SKU, ("name",), ("category",), ("quantity",), ("price",), ("cost",), ("total",))


class _Word(NamedTuple):
    """A name's meaning: how its properties are read, and the typed event that they and the message id make."""

    properties: Properties[Any]
    make: Callable[[Any, str], Told | None]


def _sale_of(*held: str | tuple[str, ...]) -> Properties[_Sale]:
    return Properties(_Sale, *held, known=_KnownSale)


_CANCELLED: Final = _Word(Properties(_Progress, "order_id", "reason"), _order_cancelled)
_CART: Final = _Word(_sale_of("cart_id", "currency", _VALUE, "products"), _cart_updated)

# By name in small letters.
VOCABULARY: Final[Mapping[str, _Word]] = {
    "order completed": _Word(_sale_of("order_id", "currency", _TOTAL, "products", "placed_at"), _order_placed),
    "order refunded": _Word(
        Properties(_Refund, "order_id", "refund_id", "currency", ("total", "amount", "revenue")), _order_refunded
    ),
    "order cancelled": _CANCELLED,
    "order canceled": _CANCELLED,
    "order shipped": _Word(Properties(_Progress, "order_id", "carrier", "tracking_number"), _order_shipped),
    "order delayed": _Word(Properties(_Progress, "order_id", "reason", "expected_at"), _order_delayed),
    "order delivered": _Word(Properties(_Progress, "order_id"), _order_delivered),
    "feedback submitted": _Word(Properties(_Answer, "survey", "rating", "text", "order_id"), _feedback),
    "consent changed": _Word(Properties(_Consent, "channel", "purpose", "granted", "evidence"), _consent_changed),
    "product viewed": _Word(Properties(Product, _SKU, "name", "category", "currency", "price"), _product_viewed),
    "cart viewed": _CART,
    "cart updated": _CART,
    "product added": _CART,
    "product removed": _CART,
    "checkout started": _Word(_sale_of(_CHECKOUT_ID, "currency", _VALUE, "products"), _checkout_started),
}


def understood(name: str, properties: bytes, message_id: str) -> Body | None:
    """The typed event that a `track` of this name is; None if it is a `CustomEvent`.

    Raises `BadEvent` when it means to be typed and is not right.
    """
    word = VOCABULARY.get(name.lower())
    if word is None:
        return None
    try:
        said, held = word.properties.read(properties)
        body = word.make(said, message_id)
    except msgspec.ValidationError as error:
        raise BadEvent(Reason.MALFORMED, f"properties of {name!r}: {error}; send the type that it expects") from None
    if body is None or (held and _holds(body, said)):
        return body
    return _with_the_rest(body, message.decode_object(properties), word.properties.held)


# What was said beside

_WITH_LINES: Final = (OrderPlaced, CartUpdated, CheckoutStarted)


def _holds(body: Told, said: Any) -> bool:
    """Whether a typed event holds what its lines say, and its price."""
    if isinstance(body, ProductViewed):
        return said.price is None or body.price_minor is not None
    if isinstance(body, _WITH_LINES):
        for one in said.products or ():
            if one.currency is not None or (one.sku is not None and one.product_id is not None):
                return False
    return True


def _with_the_rest(body: Told, said: Mapping[str, Any], held: Held) -> Told:
    if isinstance(body, ProductViewed) and body.price_minor is None:  # a number without a currency
        held = tuple(names for names in held if names != ("price",))
    changes: dict[str, Any] = {}
    if more := beside(said, held):
        changes["more"] = more
    if isinstance(body, _WITH_LINES):
        lines = [beside(product, _LINE) for product in said.get("products") or ()]
        if any(lines):
            changes["items"] = tuple(
                msgspec.structs.replace(item, more=more) if more else item
                for item, more in zip(body.items, lines, strict=True)
            )
    return msgspec.structs.replace(body, **changes) if changes else body


# Parts


def _required(value: Scalar, name: str) -> str:
    found = text(value)
    if not found:
        raise BadEvent(Reason.REQUIRED, f"{name}: required; send it in properties.{name}")
    return _short(found, name)


def _short(found: str, name: str) -> str:
    if len(found) > MAX_ID_LENGTH:
        raise BadEvent(Reason.TOO_LARGE, f"properties.{name}: {len(found)} characters; send at most {MAX_ID_LENGTH}")
    return found


def _first_amount(code: str, **amounts: Decimal | None) -> int:
    for name, amount in amounts.items():
        if amount is not None:
            return money.minor(amount, code, at=f"properties.{name}")
    names = list(amounts)
    raise BadEvent(
        Reason.REQUIRED, f"{names[0]}: required; send a decimal amount in properties.{' or properties.'.join(names)}"
    )


def _total(sale: _Sale, items: tuple[Item, ...], code: str) -> int:
    if sale.total is None and sale.revenue is None and sale.value is None:
        return sum(_line_total(item) for item in items)
    return _first_amount(code, total=sale.total, revenue=sale.revenue, value=sale.value)


def _items(products: tuple[Product, ...], code: str) -> tuple[Item, ...]:
    items: list[Item] = []
    for product in products:
        try:
            items.append(_item(product, code))
        except BadEvent as error:
            raise BadEvent(error.reason, f"properties.products[{len(items)}].{error.text}") from None
    return tuple(items)


def _item(product: Product, code: str) -> Item:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        raise BadEvent(Reason.REQUIRED, "product_id: required; send a product_id or a sku")
    quantity = 1 if product.quantity is None else _quantity(product.quantity)
    total = None if product.total is None else money.minor(product.total, code, at="total")
    if product.price is not None:
        price = money.minor(product.price, code, at="price")
    elif total is not None:
        price = (total + quantity // 2) // quantity if quantity else total
    else:
        raise BadEvent(Reason.REQUIRED, "price: required; send the price of one unit, or the line's total")
    return Item(
        sku=sku,
        name=text(product.name),
        category=text(product.category),
        quantity=quantity,
        unit_price_minor=price,
        unit_cost_minor=None if product.cost is None else money.minor(product.cost, code, at="cost"),
        total_minor=None if total == price * quantity else total,
    )


def _line_total(item: Item) -> int:
    return item.unit_price_minor * item.quantity if item.total_minor is None else item.total_minor


def _quantity(value: Decimal) -> int:
    number = _whole(value, at="quantity", reason=Reason.AMOUNT)
    if number < 0:
        raise BadEvent(Reason.AMOUNT, "quantity: negative; leave the line out, or send a refund")
    return number


def _whole(value: Decimal, *, at: str, reason: Reason) -> int:
    if not value.is_finite() or abs(value) > MAX_QUANTITY or value != value.to_integral_value():
        raise BadEvent(reason, f"{at}: not a whole number up to {MAX_QUANTITY}")
    return int(value)
