"""What the properties of a plain message say, as a typed event. None where they want a closer look.

Each follows its counterpart in `tracking` and `vocabulary`. Whatever should be a text and is none raises `TypeError`.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any, Final

import msgspec

from services.ingest.domain import identity, money
from services.ingest.domain.message import Sent
from services.ingest.domain.properties import NOTHING
from services.ingest.domain.vocabulary import MAX_ID_LENGTH, MAX_QUANTITY, VOCABULARY
from shared.contracts.events import Body, CustomEvent, Item, OrderPlaced, PageViewed, ProductViewed
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


_ORDER: Final = frozenset({"order_id", "currency", "total", "products"})
_ORDER_ELSE: Final = frozenset({"revenue", "value", "checkout_id", "cart_id", "placed_at"})


def _order_placed(_: str, said: Said) -> Body | None:
    more: Said = {}
    if not _ORDER.issuperset(said):
        if not _ORDER_ELSE.isdisjoint(said):
            return None
        more = _beside(said, _ORDER)
    code = _code(said.get("currency"))
    if code is None:
        return None
    order_id = _text(said.get("order_id", ""))
    total_minor = money.plain(said.get("total"), code)
    items = _items(said.get("products", ()), code)
    if not 0 < len(order_id) <= MAX_ID_LENGTH or total_minor is None or items is None:
        return None
    return OrderPlaced(order_id=order_id, currency=code, total_minor=total_minor, items=items, more=more)


_LINE: Final = frozenset({"sku", "product_id", "name", "category", "quantity", "price"})
_LINE_ELSE: Final = frozenset({"cost", "total", "currency"})


def _items(products: Any, code: str) -> tuple[Item, ...] | None:
    if type(products) is not list:
        return () if products == () else None
    items: list[Item] = []
    for said in products:
        more: Said = {}
        if not _LINE.issuperset(said):
            if not _LINE_ELSE.isdisjoint(said):
                return None
            more = _beside(said, _LINE)
        sku, quantity, price = _sku(said), said.get("quantity", 1), money.plain(said.get("price"), code)
        if not sku or price is None or type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
            return None
        name, category = _text(said.get("name", "")), _text(said.get("category", ""))
        items.append(Item(sku=sku, name=name, category=category, quantity=quantity, unit_price_minor=price, more=more))
    return tuple(items)


_PRODUCT: Final = frozenset({"sku", "product_id", "name", "category", "currency", "price"})


def _product_viewed(_: str, said: Said) -> Body | None:
    more: Said = {}
    if not _PRODUCT.issuperset(said):
        if "total" in said or "cost" in said or type(said.get("quantity", 0)) is not int:
            return None
        more = _beside(said, _PRODUCT)
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


def _sku(said: Said) -> str | None:
    """None where both names of it are used: the one that is not needed would be kept beside."""
    if "sku" not in said:
        return _text(said.get("product_id", ""))
    return None if "product_id" in said else _text(said["sku"])


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
    normal = identity.email(address)
    return (said, None) if normal is None else ({**said, "email": normal}, normal)
