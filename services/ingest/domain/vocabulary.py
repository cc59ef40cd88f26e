"""The names of events that mean something here, each with the way its properties become a typed event.

Source of names and properties: Segment's specification of e-commerce events, version 2. What is about an order is
strict: it is taken whole or refused with the reason. What is behaviour is lenient: without the properties that its
type needs it is kept as a `CustomEvent`. Properties for which a typed event has no field are kept in it as they are.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from services.ingest.domain import message, money, times
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.message import Scalar, text
from shared.contracts.events import (
    SURVEY_SCALES,
    Body,
    CartUpdated,
    CheckoutStarted,
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

MAX_QUANTITY: Final = 1_000_000

_P = TypeVar("_P")


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


def _decoder(shape: type[_P]) -> Callable[[bytes], _P]:
    return msgspec.json.Decoder(shape).decode


MAX_ID_LENGTH: Final = 256  # characters: ids are keys of tables, and an index takes only so much

_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})  # said of a property, these say no more than to leave it out

_product: Final = _decoder(Product)
_sale: Final = _decoder(_Sale)
_refund: Final = _decoder(_Refund)
_progress: Final = _decoder(_Progress)
_answer: Final = _decoder(_Answer)


# What is about an order


def _order_placed(properties: bytes, _: str) -> OrderPlaced:
    sale = _sale(properties)
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
    return moment


def _order_refunded(properties: bytes, message_id: str) -> OrderRefunded:
    refund = _refund(properties)
    order_id = _required(refund.order_id, "order_id")
    code = money.currency(refund.currency)
    return OrderRefunded(
        order_id=order_id,
        refund_id=_short(text(refund.refund_id), "refund_id") or message_id,
        currency=code,
        amount_minor=_first_amount(code, total=refund.total, amount=refund.amount, revenue=refund.revenue),
    )


def _order_cancelled(properties: bytes, _: str) -> OrderCancelled:
    progress = _progress(properties)
    return OrderCancelled(order_id=_required(progress.order_id, "order_id"), reason=text(progress.reason))


def _order_shipped(properties: bytes, _: str) -> OrderShipped:
    progress = _progress(properties)
    return OrderShipped(
        order_id=_required(progress.order_id, "order_id"),
        carrier=text(progress.carrier),
        tracking_number=text(progress.tracking_number),
    )


def _order_delayed(properties: bytes, _: str) -> OrderDelayed:
    progress = _progress(properties)
    return OrderDelayed(
        order_id=_required(progress.order_id, "order_id"),
        reason=text(progress.reason),
        expected_at=text(progress.expected_at),
    )


def _order_delivered(properties: bytes, _: str) -> OrderDelivered:
    return OrderDelivered(order_id=_required(_progress(properties).order_id, "order_id"))


def _feedback(properties: bytes, _: str) -> FeedbackSubmitted:
    answer = _answer(properties)
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


# What is behaviour


def _product_viewed(properties: bytes, _: str) -> ProductViewed | None:
    product = _product(properties)
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        return None
    code = money.currency(product.currency) if text(product.currency) else ""
    price = None if product.price is None or not code else money.minor(product.price, code, at="properties.price")
    return ProductViewed(
        sku=sku, name=text(product.name), category=text(product.category), currency=code, price_minor=price
    )


def _cart_updated(properties: bytes, _: str) -> CartUpdated | None:
    sale = _sale(properties)
    cart_id = text(sale.cart_id)
    if not cart_id or sale.products is None or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = _items(sale.products, code)
    return CartUpdated(cart_id=cart_id, currency=code, total_minor=_total(sale, items, code), items=items)


def _checkout_started(properties: bytes, _: str) -> CheckoutStarted | None:
    sale = _sale(properties)
    checkout_id = text(sale.checkout_id) or text(sale.order_id) or text(sale.cart_id)
    if not checkout_id or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = _items(sale.products or (), code)
    return CheckoutStarted(checkout_id=checkout_id, currency=code, total_minor=_total(sale, items, code), items=items)


Mapper = Callable[[bytes, str], Told | None]
Held = tuple[tuple[str, ...], ...]


class _Word(NamedTuple):
    """A name's meaning: what reads its properties and the message id, and which properties the typed event holds.

    Of those that stand for each other the event holds the first that was said.
    """

    read: Mapper
    held: Held


_TOTAL: Final = ("total", "revenue")
_VALUE: Final = ("total", "revenue", "value")
_SKU: Final = ("sku", "product_id")
_LINE: Final[Held] = (_SKU, ("name",), ("category",), ("quantity",), ("price",), ("cost",), ("total",))
_CHECKOUT_ID: Final = ("checkout_id", "order_id", "cart_id")


def _word(read: Mapper, *held: str | tuple[str, ...]) -> _Word:
    return _Word(read, tuple((one,) if isinstance(one, str) else one for one in held))


_CANCELLED: Final = _word(_order_cancelled, "order_id", "reason")
_CART: Final = _word(_cart_updated, "cart_id", "currency", _VALUE, "products")

# By name in small letters.
VOCABULARY: Final[Mapping[str, _Word]] = {
    "order completed": _word(_order_placed, "order_id", "currency", _TOTAL, "products", "placed_at"),
    "order refunded": _word(_order_refunded, "order_id", "refund_id", "currency", ("total", "amount", "revenue")),
    "order cancelled": _CANCELLED,
    "order canceled": _CANCELLED,
    "order shipped": _word(_order_shipped, "order_id", "carrier", "tracking_number"),
    "order delayed": _word(_order_delayed, "order_id", "reason", "expected_at"),
    "order delivered": _word(_order_delivered, "order_id"),
    "feedback submitted": _word(_feedback, "survey", "rating", "text", "order_id"),
    "product viewed": _word(_product_viewed, _SKU, "name", "category", "currency", "price"),
    "cart viewed": _CART,
    "cart updated": _CART,
    "product added": _CART,
    "product removed": _CART,
    "checkout started": _word(_checkout_started, _CHECKOUT_ID, "currency", _VALUE, "products"),
}


def understood(name: str, properties: bytes, message_id: str) -> Body | None:
    """The typed event that a `track` of this name is; None if it is a `CustomEvent`.

    Raises `BadEvent` when it means to be typed and is not right.
    """
    word = VOCABULARY.get(name.lower())
    if word is None:
        return None
    try:
        body = word.read(properties, message_id)
    except msgspec.ValidationError as error:
        raise BadEvent(Reason.MALFORMED, f"properties of {name!r}: {error}; send the type that it expects") from None
    return None if body is None else _with_the_rest(body, message.decode_object(properties), word.held)


# What was said beside


def beside(said: Mapping[str, Any], held: Held) -> dict[str, Any]:
    """The properties that a typed event does not hold."""
    names = {next((name for name in names if said.get(name) not in _NOTHING), "") for names in held}
    return {name: value for name, value in said.items() if name not in names and value not in _NOTHING}


def _with_the_rest(body: Told, said: Mapping[str, Any], held: Held) -> Told:
    if isinstance(body, ProductViewed) and body.price_minor is None:  # a number without a currency
        held = tuple(names for names in held if names != ("price",))
    changes: dict[str, Any] = {}
    if more := beside(said, held):
        changes["more"] = more
    if isinstance(body, OrderPlaced | CartUpdated | CheckoutStarted):
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
    return tuple(_item(product, code, at=f"properties.products[{n}]") for n, product in enumerate(products))


def _item(product: Product, code: str, *, at: str) -> Item:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        raise BadEvent(Reason.REQUIRED, f"{at}.product_id: required; send a product_id or a sku")
    quantity = 1 if product.quantity is None else _quantity(product.quantity, at=f"{at}.quantity")
    total = None if product.total is None else money.minor(product.total, code, at=f"{at}.total")
    if product.price is not None:
        price = money.minor(product.price, code, at=f"{at}.price")
    elif total is not None:
        price = (total + quantity // 2) // quantity if quantity else total
    else:
        raise BadEvent(Reason.REQUIRED, f"{at}.price: required; send the price of one unit, or the line's total")
    return Item(
        sku=sku,
        name=text(product.name),
        category=text(product.category),
        quantity=quantity,
        unit_price_minor=price,
        unit_cost_minor=None if product.cost is None else money.minor(product.cost, code, at=f"{at}.cost"),
        total_minor=None if total == price * quantity else total,
    )


def _line_total(item: Item) -> int:
    return item.unit_price_minor * item.quantity if item.total_minor is None else item.total_minor


def _quantity(value: Decimal, *, at: str) -> int:
    number = _whole(value, at=at, reason=Reason.AMOUNT)
    if number < 0:
        raise BadEvent(Reason.AMOUNT, f"{at}: negative; leave the line out, or send a refund")
    return number


def _whole(value: Decimal, *, at: str, reason: Reason) -> int:
    if not value.is_finite() or abs(value) > MAX_QUANTITY or value != value.to_integral_value():
        raise BadEvent(reason, f"{at}: not a whole number up to {MAX_QUANTITY}")
    return int(value)
