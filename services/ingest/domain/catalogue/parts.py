"""What events have in common, read by the general rules: amounts, lines, ids. Each says what is wrong, and where."""

from decimal import Decimal
from typing import Final

import msgspec

from services.ingest.domain.catalogue.entry import Product
from services.ingest.domain.catalogue.properties import Held, Properties
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import money
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import Item

MAX_ID_LENGTH: Final = 256  # characters: ids are keys of tables, and an index takes only so much
MAX_QUANTITY: Final = 1_000_000

TOTAL: Final = ("total", "revenue")
VALUE: Final = ("total", "revenue", "value")
SKU: Final = ("sku", "product_id")
LINE: Final[Held] = (SKU, ("name",), ("category",), ("quantity",), ("price",), ("cost",), ("total",))


class Sale(msgspec.Struct, frozen=True, kw_only=True):
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


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an order on its way."""

    order_id: Scalar = None
    reason: Scalar = None
    carrier: Scalar = None
    tracking_number: Scalar = None
    expected_at: Scalar = None


class _KnownProduct(Product, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product with no other properties."""


class _KnownSale(Sale, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sale with no other properties, nor have its lines any."""

    products: tuple[_KnownProduct, ...] | None = None


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
    return found


def first_amount(code: str, **amounts: Decimal | None) -> int:
    """Returns the first amount that was given, in minor units of this currency; raises `BadEvent` if none was."""
    for name, amount in amounts.items():
        if amount is not None:
            return money.minor(amount, code, at=f"properties.{name}")
    names = list(amounts)
    raise BadEvent(
        Reason.REQUIRED, f"{names[0]}: required; send a decimal amount in properties.{' or properties.'.join(names)}"
    )


def total_of(sale: Sale, items: tuple[Item, ...], code: str) -> int:
    """Returns the total of a sale; without one, the sum of its lines."""
    if sale.total is None and sale.revenue is None and sale.value is None:
        return sum(_line_total(item) for item in items)
    return first_amount(code, total=sale.total, revenue=sale.revenue, value=sale.value)


def items_of(products: tuple[Product, ...], code: str) -> tuple[Item, ...]:
    """Returns the lines of a sale; raises `BadEvent` with the line's place."""
    items: list[Item] = []
    for product in products:
        try:
            items.append(_item(product, code))
        except BadEvent as error:
            raise BadEvent(error.reason, f"properties.products[{len(items)}].{error.text}") from None
    return tuple(items)


def whole(value: Decimal, *, at: str, reason: Reason) -> int:
    """Returns a whole number; raises `BadEvent` for any other."""
    if not value.is_finite() or abs(value) > MAX_QUANTITY or value != value.to_integral_value():
        raise BadEvent(reason, f"{at}: not a whole number up to {MAX_QUANTITY}")
    return int(value)


def _item(product: Product, code: str) -> Item:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        raise BadEvent(Reason.REQUIRED, "product_id: required; send a product_id or a sku")
    quantity = 1 if product.quantity is None else quantity_of(product.quantity)
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


def quantity_of(value: Decimal) -> int:
    """Returns how many pieces there are; raises `BadEvent` for anything but a whole number that is not negative."""
    number = whole(value, at="quantity", reason=Reason.AMOUNT)
    if number < 0:
        raise BadEvent(Reason.AMOUNT, "quantity: negative; leave the line out, or send a refund")
    return number
