"""What events have in common, read by the general rules: amounts, lines, ids. Each says what is wrong, and where."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

import msgspec

from services.ingest.domain.catalogue.entry import Product
from services.ingest.domain.catalogue.properties import Held, Properties
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import money, times
from services.ingest.domain.values.message import Scalar, members, text
from shared.contracts import orders
from shared.contracts.events import Item
from shared.contracts.moments import BOUNDS, is_plausible

MAX_ID_LENGTH: Final = 256  # characters: ids are keys of tables, and an index takes only so much
MAX_QUANTITY: Final = 1_000_000
MAX_QUANTITY_DECIMALS: Final = 6
MAX_PAYMENT_REFS: Final = 10

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

TOTAL: Final = ("total", "revenue")
VALUE: Final = ("total", "revenue", "value")
SKU: Final = ("sku", "product_id")
LINE: Final[Held] = (SKU, ("name",), ("category",), ("quantity",), ("price",), ("cost",), ("total",))


class SnapshotRefund(msgspec.Struct, frozen=True, kw_only=True):
    """One refund in a snapshot of its order."""

    refund_id: Scalar
    total: Decimal


class OrderWord(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement about an order is meant, in the property `$order`: the fields are those of the contract.

    Adapters of vendors write it, and whoever sends snapshots of orders, or what a payment provider tells, may, too.
    """

    state: Literal["placed", "cancelled", "pending", "unsaid"] = "placed"
    whole: bool = False
    refunds: tuple[SnapshotRefund, ...] = ()
    in_snapshot: bool = False
    payment_id: str = ""
    payment_refs: tuple[str, ...] = ()
    in_all: bool = False
    dispute: bool = False


PLAIN_WORD: Final = OrderWord()
ORDER_WORD: Final = "$order"


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What an order, a checkout and a cart have in common."""

    order_id: Scalar = None
    checkout_id: Scalar = None
    cart_id: Scalar = None
    currency: Scalar = None
    total: Decimal | None = None
    revenue: Decimal | None = None
    value: Decimal | None = None
    products: tuple[Product, ...] | Mapping[str, Product] | None = None
    placed_at: Scalar = None
    word: OrderWord | None = msgspec.field(default=None, name=ORDER_WORD)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an order on its way."""

    word: OrderWord | None = msgspec.field(default=None, name=ORDER_WORD)

    order_id: Scalar = None
    reason: Scalar = None
    carrier: Scalar = None
    tracking_number: Scalar = None
    expected_at: Scalar = None


class _KnownProduct(Product, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product with no other properties."""


class _KnownSale(Sale, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sale with no other properties, nor have its lines any."""

    products: tuple[_KnownProduct, ...] | Mapping[str, _KnownProduct] | None = None


def sale_of(*held: str | tuple[str, ...]) -> Properties[Sale]:
    """Returns how the properties of a sale are read, if the typed event holds these."""
    return Properties(Sale, *held, known=_KnownSale)


def required(value: Scalar, name: str) -> str:
    """Returns a text that must be there; raises `BadEvent` otherwise."""
    found = text(value)
    if not found:
        raise BadEvent(Reason.REQUIRED, f"{name}: required; send it in properties.{name}")
    return short(found, name)


def short(found: str, name: str) -> str:
    """Returns an id that is short enough for a key; raises `BadEvent` otherwise."""
    if len(found) > MAX_ID_LENGTH:
        raise BadEvent(Reason.TOO_LARGE, f"properties.{name}: {len(found)} characters; send at most {MAX_ID_LENGTH}")
    if not found.isprintable() and _CONTROL.search(found):
        raise BadEvent(Reason.MALFORMED, f"properties.{name}: it has a control character; send a plain id")
    return found


def moment(value: Scalar, name: str) -> datetime | None:
    """Returns a time in UTC, None where there is none; raises `BadEvent` for what is no time, or no possible one."""
    found = text(value)
    if not found:
        return None
    read = times.moment(found)
    if read is None:
        raise BadEvent(Reason.TIME, f"properties.{name}: not a time with a zone; send ISO 8601")
    if not is_plausible(read):
        raise BadEvent(Reason.TIME, f"properties.{name}: {found[:40]!r} is not possible; send a time {BOUNDS}")
    return read


def first_amount(code: str, **amounts: Decimal | None) -> int:
    """Returns the first amount that was given, in minor units of this currency; raises `BadEvent` if none was."""
    for name, amount in amounts.items():
        if amount is not None:
            return money.minor(amount, code, at=f"properties.{name}")
    names = list(amounts)
    raise BadEvent(
        Reason.REQUIRED, f"{names[0]}: required; send a decimal amount in properties.{' or properties.'.join(names)}"
    )


def refs(word: OrderWord) -> tuple[str, ...]:
    """Returns the names of payments in a word; raises `BadEvent` if they are too many, or too long."""
    if len(word.payment_refs) > MAX_PAYMENT_REFS:
        raise BadEvent(Reason.TOO_LARGE, f"properties.$order.payment_refs: send at most {MAX_PAYMENT_REFS}")
    return tuple(short(one, "$order.payment_refs") for one in word.payment_refs)


def has_total(sale: Sale) -> bool:
    """Returns whether a sale's total is given."""
    return sale.total is not None or sale.revenue is not None or sale.value is not None


def total_of(sale: Sale, items: tuple[Item, ...], code: str) -> int:
    """Returns the total of a sale; without one, the sum of its lines."""
    if not has_total(sale):
        return sum(_line_total(item) for item in items)
    return first_amount(code, total=sale.total, revenue=sale.revenue, value=sale.value)


def items_of(
    products: Collection[Product] | Mapping[str, Product] | None, code: str, *, total_known: bool
) -> tuple[Item, ...]:
    """Returns the lines of a sale; raises `BadEvent` with the line's place.

    Where the total of the sale is known, a line may be without a price.
    """
    items: list[Item] = []
    for product in members(products):
        try:
            items.append(_item(product, code, total_known=total_known))
        except BadEvent as error:
            raise BadEvent(error.reason, f"properties.products[{len(items)}].{error.text}") from None
    return tuple(items)


def whole(value: Decimal, *, at: str, reason: Reason) -> int:
    """Returns a whole number; raises `BadEvent` for any other."""
    if not value.is_finite() or abs(value) > MAX_QUANTITY or value != value.to_integral_value():
        raise BadEvent(reason, f"{at}: not a whole number up to {MAX_QUANTITY}")
    return int(value)


def _item(product: Product, code: str, *, total_known: bool) -> Item:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        raise BadEvent(Reason.REQUIRED, "product_id: required; send a product_id or a sku")
    quantity = Decimal(1) if product.quantity is None else _exact_quantity(product.quantity)
    total = None if product.total is None else money.minor(product.total, code, at="total")
    if product.price is not None:
        price = money.minor(product.price, code, at="price")
    elif total is not None:
        price = int((total / quantity).to_integral_value(ROUND_HALF_UP)) if quantity else total
    elif total_known:
        price = 0
    else:
        raise BadEvent(Reason.REQUIRED, "price: required; send the price of one unit, or the line's total")
    measured = quantity != quantity.to_integral_value()
    item = Item(
        sku=sku,
        name=text(product.name),
        category=text(product.category),
        quantity=1 if measured else int(quantity),
        unit_price_minor=price,
        unit_cost_minor=None if product.cost is None else money.minor(product.cost, code, at="cost"),
        total_minor=total,
        exact_quantity=quantity if measured else None,
        unpriced=product.price is None and total is None,
    )
    same = total is not None and total == orders.line_minor(price, item)
    return msgspec.structs.replace(item, total_minor=None) if same else item


def _line_total(item: Item) -> int:
    return orders.line_minor(item.unit_price_minor, item) if item.total_minor is None else item.total_minor


def _exact_quantity(value: Decimal) -> Decimal:
    """Returns how many pieces, or how much of goods by weight or measure."""
    if not value.is_finite() or abs(value) > MAX_QUANTITY or round(value, MAX_QUANTITY_DECIMALS) != value:
        raise BadEvent(
            Reason.AMOUNT,
            f"quantity: not a number up to {MAX_QUANTITY} with at most {MAX_QUANTITY_DECIMALS} decimals; round it",
        )
    if value < 0:
        raise BadEvent(Reason.AMOUNT, "quantity: negative; leave the line out, or send a refund")
    return value


def quantity_of(value: Decimal) -> int:
    """Returns how many pieces there are; raises `BadEvent` for anything but a whole number that is not negative."""
    number = whole(value, at="quantity", reason=Reason.AMOUNT)
    if number < 0:
        raise BadEvent(Reason.AMOUNT, "quantity: negative; leave the line out, or send a refund")
    return number
