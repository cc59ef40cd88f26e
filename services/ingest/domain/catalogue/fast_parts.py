"""What the fast rules have in common. Each follows its counterpart in `parts`, and leaves doubtful cases to it.

Fast rules read messages in which nothing has to be put right: ids and names are texts, properties are of the types
that their event expects, nothing stands where something else should. Most messages are so, and cost a third then.
"""

from collections.abc import Set
from typing import Any, Final

from services.ingest.domain.catalogue.entry import Fields
from services.ingest.domain.catalogue.parts import MAX_QUANTITY
from services.ingest.domain.catalogue.properties import NOTHING
from services.ingest.domain.values import money
from shared.contracts.events import Body, CustomEvent, Item

strip: Final = str.strip  # raises TypeError for anything but a text

# Each in the order in which they count: of what a sale comes to, and of what names a checkout.
AMOUNTS: Final = ("total", "revenue", "value")
IDS: Final = ("checkout_id", "order_id", "cart_id")
SALE: Final = frozenset({"currency", "products"})


def custom(name: str, fields: Fields) -> Body | None:
    """Returns what has no type of its own."""
    return CustomEvent(name=name, properties=fields)


def beside(fields: Fields, held: Set[str]) -> Fields:
    """Returns the properties that a typed event does not hold and that are not empty."""
    return {key: value for key, value in fields.items() if key not in held and value not in NOTHING}


def total_of(
    fields: Fields, held: frozenset[str], items: tuple[Item, ...], code: str
) -> tuple[frozenset[str], int | None]:
    """Returns the properties that are held, and the total of the sale; without one, the sum of its lines."""
    for name in AMOUNTS:
        if name in fields:
            return held if name == "total" else held - {"total"} | {name}, money.plain(fields[name], code)
    return held, sum(item.unit_price_minor * item.quantity for item in items)


def beside_sale(fields: Fields, held: Set[str], code: str) -> Fields | None:
    """Returns what stands beside a sale; None if something there is not of the type that sales expect of it."""
    if "placed_at" in fields:
        return None
    for name in IDS:
        id_of(fields.get(name, ""))
    for name in AMOUNTS:
        if name in fields and name not in held and money.plain(fields[name], code) is None:
            return None
    return beside(fields, held)


# Any currency of two decimals: what is an amount in it is a number.
_SOME_CODE: Final = "EUR"


def unsold(name: str, fields: Fields) -> Body | None:
    """Returns a cart or a checkout that says too little to be a sale: an event of its own, if all is of its type."""
    strip(fields.get("currency", ""))
    rest = beside_sale(fields, frozenset(), _SOME_CODE)
    items = items_of(fields.get("products", ()), _SOME_CODE)
    return None if rest is None or items is None else custom(name, fields)


_LINE: Final = frozenset({"sku", "product_id", "name", "category", "quantity", "price"})
_LINE_BY_SKU: Final = _LINE - {"product_id"}
_LINE_ELSE: Final = frozenset({"cost", "total", "currency"})


def items_of(products: Any, code: str) -> tuple[Item, ...] | None:
    """Returns the lines of a sale."""
    if type(products) is not list:
        return () if products == () else None
    items: list[Item] = []
    for fields in products:
        if type(fields) is not dict:
            return None
        extra: Fields = {}
        by_sku = "sku" in fields and "product_id" in fields
        if by_sku or not _LINE.issuperset(fields):
            if not _LINE_ELSE.isdisjoint(fields):
                return None
            extra = beside(fields, _LINE_BY_SKU if by_sku else _LINE)
        sku, quantity, price = sku_of(fields), fields.get("quantity", 1), money.plain(fields.get("price"), code)
        if not sku or price is None or type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
            return None
        name, category = strip(fields.get("name", "")), strip(fields.get("category", ""))
        items.append(
            Item(sku=sku, name=name, category=category, quantity=quantity, unit_price_minor=price, extra=extra)
        )
    return tuple(items)


def sku_of(fields: Fields) -> str:
    """Returns the stronger of a product's two names; the other one is kept beside. Empty if that name is."""
    product_id = id_of(fields.get("product_id", ""))
    return id_of(fields["sku"]) if "sku" in fields else product_id


def id_of(value: Any) -> str:
    """Returns an id, which many shops have as a number. Raises `TypeError` for anything else."""
    if type(value) is str:
        return value.strip()
    if type(value) is int and 0 <= value <= money.MAX_MINOR:
        return str(value)
    raise TypeError


def code_of(value: Any) -> str | None:
    """Returns a currency that is written as it should be."""
    return (
        value
        if type(value) is str and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()
        else None
    )
