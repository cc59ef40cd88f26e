"""What the properties of a plain message say, as a typed event. None where they want a closer look.

Each follows its counterpart in `tracking` and `vocabulary`. Whatever should be a text and is none raises `TypeError`.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue.properties import NOTHING
from services.ingest.domain.catalogue.vocabulary import MAX_ID_LENGTH, MAX_QUANTITY, VOCABULARY
from services.ingest.domain.values import money
from services.ingest.domain.values.message import Sent
from shared.contracts import normal_form
from shared.contracts.events import (
    Body,
    CartUpdated,
    CheckoutStarted,
    CustomEvent,
    Item,
    OrderPlaced,
    PageViewed,
    ProductViewed,
)
from shared.contracts.identity import MAX_VALUE_LENGTH

Said = dict[str, Any]

_text: Final = str.strip  # raises TypeError for what is none


class Page(msgspec.Struct, frozen=True):
    """The page that was open, as far as an event's context says it."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""


_PAGE: Final = frozenset(Page.__struct_fields__)


def page_viewed(message: Sent, said: Said, around: Page, *, screen: bool) -> PageViewed:
    """A page, or a screen of an app."""
    more = {} if _PAGE.issuperset(said) else _beside(said, _PAGE)
    title = _text(said.get("title", "")) or around.title
    if message.category is not None:
        category: Any = message.category
        if category := _text(category):
            more = {"category": category, **more}
    name: Any = message.name
    name = "" if name is None else _text(name)
    if title and name not in ("", title):
        more = {"name": name, **more}
    return PageViewed(
        url=_text(said.get("url", "")) or around.url,
        path=_text(said.get("path", "")) or around.path,
        title=title or name,
        referrer=_text(said.get("referrer", "")) or around.referrer,
        screen=screen,
        more=more,
    )


def _beside(said: Said, held: Set[str]) -> Said:
    return {key: value for key, value in said.items() if key not in held and value not in NOTHING}


def custom(name: str, said: Said) -> Body | None:
    """What has no type of its own."""
    return CustomEvent(name=name, properties=said)


# Each in the order in which they count: of what a sale comes to, and of what names a checkout.
_AMOUNTS: Final = ("total", "revenue", "value")
_IDS: Final = ("checkout_id", "order_id", "cart_id")
_SALE: Final = frozenset({"currency", "products"})
_ORDER: Final = frozenset({"order_id", "currency", "total", "products"})
_CART: Final = frozenset({"cart_id", "currency", "total", "products"})
_CHECKOUT: Final = frozenset({"checkout_id", "currency", "total", "products"})


def _order_placed(_: str, said: Said) -> Body | None:
    code = _code(said.get("currency"))
    if code is None:
        return None
    held, name = _ORDER, "total"
    if "total" not in said:
        held, name = _SALE | {"order_id", "revenue"}, "revenue"
    order_id = _id(said.get("order_id", ""))
    total_minor = money.plain(said.get(name), code)
    items = _items(said.get("products", ()), code)
    more = {} if held.issuperset(said) else _beside_sale(said, held, code)
    if not 0 < len(order_id) <= MAX_ID_LENGTH or total_minor is None or items is None or more is None:
        return None
    return OrderPlaced(order_id=order_id, currency=code, total_minor=total_minor, items=items, more=more)


def _cart_updated(name: str, said: Said) -> Body | None:
    if "products" not in said or "currency" not in said:  # mostly but the one that was added or taken out
        return _unsold(name, said)
    code = _code(said["currency"])
    if code is None:
        return None
    cart_id, items = _id(said.get("cart_id", "")), _items(said["products"], code)
    if not cart_id or items is None:
        return None
    held, total_minor = _total(said, _CART, items, code)
    more = {} if held.issuperset(said) else _beside_sale(said, held, code)
    if total_minor is None or more is None:
        return None
    return CartUpdated(cart_id=cart_id, currency=code, total_minor=total_minor, items=items, more=more)


def _checkout_started(name: str, said: Said) -> Body | None:
    if "currency" not in said:
        return _unsold(name, said)
    code = _code(said["currency"])
    id_name = next((one for one in _IDS if one in said), None)
    if code is None or id_name is None:
        return None
    checkout_id, items = _id(said[id_name]), _items(said.get("products", ()), code)
    if not checkout_id or items is None:
        return None
    known = _CHECKOUT if id_name == "checkout_id" else _SALE | {id_name, "total"}
    held, total_minor = _total(said, known, items, code)
    more = {} if held.issuperset(said) else _beside_sale(said, held, code)
    if total_minor is None or more is None:
        return None
    return CheckoutStarted(checkout_id=checkout_id, currency=code, total_minor=total_minor, items=items, more=more)


def _total(said: Said, held: frozenset[str], items: tuple[Item, ...], code: str) -> tuple[frozenset[str], int | None]:
    """The properties that are held, and what the sale comes to: to what its lines do, if nothing is said."""
    for name in _AMOUNTS:
        if name in said:
            return held if name == "total" else held - {"total"} | {name}, money.plain(said[name], code)
    return held, sum(item.unit_price_minor * item.quantity for item in items)


def _beside_sale(said: Said, held: Set[str], code: str) -> Said | None:
    """What is said beside a sale; None if something there is not of the type that sales expect of it."""
    if "placed_at" in said:
        return None
    for name in _IDS:
        _id(said.get(name, ""))
    for name in _AMOUNTS:
        if name in said and name not in held and money.plain(said[name], code) is None:
            return None
    return _beside(said, held)


# Any currency of two decimals: what is an amount in it is a number.
_SOME_CODE: Final = "EUR"


def _unsold(name: str, said: Said) -> Body | None:
    """A cart or a checkout that says too little to be a sale: an event of its own, if all is of the right type."""
    _text(said.get("currency", ""))
    rest = _beside_sale(said, frozenset(), _SOME_CODE)
    items = _items(said.get("products", ()), _SOME_CODE)
    return None if rest is None or items is None else custom(name, said)


_LINE: Final = frozenset({"sku", "product_id", "name", "category", "quantity", "price"})
_LINE_BY_SKU: Final = _LINE - {"product_id"}
_LINE_ELSE: Final = frozenset({"cost", "total", "currency"})


def _items(products: Any, code: str) -> tuple[Item, ...] | None:
    if type(products) is not list:
        return () if products == () else None
    items: list[Item] = []
    for said in products:
        if type(said) is not dict:
            return None
        more: Said = {}
        by_sku = "sku" in said and "product_id" in said
        if by_sku or not _LINE.issuperset(said):
            if not _LINE_ELSE.isdisjoint(said):
                return None
            more = _beside(said, _LINE_BY_SKU if by_sku else _LINE)
        sku, quantity, price = _sku(said), said.get("quantity", 1), money.plain(said.get("price"), code)
        if not sku or price is None or type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
            return None
        name, category = _text(said.get("name", "")), _text(said.get("category", ""))
        items.append(Item(sku=sku, name=name, category=category, quantity=quantity, unit_price_minor=price, more=more))
    return tuple(items)


_PRODUCT: Final = frozenset({"sku", "product_id", "name", "category", "currency", "price"})
_PRODUCT_BY_SKU: Final = _PRODUCT - {"product_id"}


def _product_viewed(_: str, said: Said) -> Body | None:
    more: Said = {}
    by_sku = "sku" in said and "product_id" in said
    if by_sku or not _PRODUCT.issuperset(said):
        if "total" in said or "cost" in said or type(said.get("quantity", 0)) is not int:
            return None
        more = _beside(said, _PRODUCT_BY_SKU if by_sku else _PRODUCT)
    sku, code = _sku(said), _code(said.get("currency"))
    if not sku or code is None:
        return None
    price: Any = said.get("price")
    if price is not None and (price := money.plain(price, code)) is None:
        return None
    return ProductViewed(
        sku=sku,
        name=_text(said.get("name", "")),
        category=_text(said.get("category", "")),
        currency=code,
        price_minor=price,
        more=more,
    )


def _sku(said: Said) -> str:
    """The stronger of its two names; the other one is kept beside. Empty if that one says nothing."""
    product_id = _id(said.get("product_id", ""))
    return _id(said["sku"]) if "sku" in said else product_id


def _id(value: Any) -> str:
    """An id, which many shops have as a number. Raises `TypeError` for anything else."""
    if type(value) is str:
        return value.strip()
    if type(value) is int and 0 <= value <= money.MAX_MINOR:
        return str(value)
    raise TypeError


def _code(value: Any) -> str | None:
    """A currency that is written as it should be."""
    return (
        value
        if type(value) is str and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()
        else None
    )


Track = Callable[[str, Said], Body | None]

# By name in small letters. The other names of the vocabulary are left to it.
TRACKS: Final[Mapping[str, Track | None]] = {
    **dict.fromkeys(VOCABULARY),
    "order completed": _order_placed,
    **dict.fromkeys(("cart viewed", "cart updated", "product added", "product removed"), _cart_updated),
    "checkout started": _checkout_started,
    "product viewed": _product_viewed,
}


def traits(said: Said) -> tuple[Said, str | None] | None:
    """A customer's traits in their normal form, and the mail address among them."""
    if "phone" in said:  # is read by the country that the rest speaks of
        return None
    address = said.get("email")
    if address is None:
        return said, None
    if len(_text(address)) > MAX_VALUE_LENGTH:
        return None
    normal = normal_form.email(address)
    return (said, None) if normal is None else ({**said, "email": normal}, normal)
