"""What lies in a cart now: `Cart Viewed`, `POST /v1/carts`; `Product Added` and the like, if they have all of it."""

from decimal import Decimal
from typing import Final

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    EXAMPLE_LINES,
    EXAMPLE_OCCURRED,
    CatalogueEntry,
    Fact,
    Fields,
    Line,
    TypedRoute,
    tracked,
)
from services.ingest.domain.catalogue.parts import Sale
from services.ingest.domain.values import money
from services.ingest.domain.values.message import text
from shared.contracts.events import Body, CartUpdated


def _rule(sale: Sale, _: str) -> CartUpdated | None:
    cart_id = text(sale.cart_id)
    if not cart_id or sale.products is None or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = parts.items_of(sale.products, code, total_known=parts.has_total(sale))
    return CartUpdated(cart_id=cart_id, currency=code, total_minor=parts.total_of(sale, items, code), items=items)


_HELD: Final = frozenset({"cart_id", "currency", "total", "products"})


def _fast_rule(name: str, fields: Fields) -> Body | None:
    if "products" not in fields or "currency" not in fields:  # mostly but the one that was added or taken out
        return fast.unsold(name, fields)
    code = fast.code_of(fields["currency"])
    if code is None:
        return None
    cart_id, items = fast.id_of(fields.get("cart_id", "")), fast.items_of(fields["products"], code)
    if not cart_id or items is None:
        return None
    held, total_minor = fast.total_of(fields, _HELD, items, code)
    extra = {} if held.issuperset(fields) else fast.beside_sale(fields, held, code)
    if total_minor is None or extra is None:
        return None
    return CartUpdated(cart_id=cart_id, currency=code, total_minor=total_minor, items=items, extra=extra)


class Cart(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What lies in a cart now. Without a total it is the sum of the lines."""

    cart_id: str
    currency: str
    items: list[Line]
    total: Decimal | None = None


ENTRY: Final = CatalogueEntry(
    body=CartUpdated,
    names=("cart viewed", "cart updated"),
    properties=parts.sale_of("cart_id", "currency", parts.VALUE, "products"),
    rule=_rule,
    fast_rule=_fast_rule,
    has_items=True,
    route=TypedRoute(
        path="carts",
        body=Cart,
        key="moment",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "cart_id": "C-1",
            "currency": "EUR",
            "items": EXAMPLE_LINES,
            "occurred_at": EXAMPLE_OCCURRED,
        },
        understand=tracked("Cart Updated", _rule, Sale, has_items=True),
    ),
)
