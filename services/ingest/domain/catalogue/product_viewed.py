"""A product page was seen: `Product Viewed`, `POST /v1/product-views`."""

from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_VISITOR,
    CatalogueEntry,
    Fact,
    Fields,
    Product,
    TypedRoute,
    tracked,
)
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values import money
from services.ingest.domain.values.message import text
from shared.contracts.events import Body, ProductViewed


def _rule(product: Product, _: str) -> ProductViewed | None:
    sku = text(product.sku) or text(product.product_id)
    if not sku:
        return None
    code = money.currency(product.currency) if text(product.currency) else ""
    price = None if product.price is None or not code else money.minor(product.price, code, at="properties.price")
    return ProductViewed(
        sku=sku, name=text(product.name), category=text(product.category), currency=code, price_minor=price
    )


def _not_held(viewed: ProductViewed) -> tuple[str, ...]:
    """Names the price if there is no currency: it is a mere number then, and is kept in `extra`."""
    return ("price",) if viewed.price_minor is None else ()


_HELD: Final = frozenset({"sku", "product_id", "name", "category", "currency", "price"})
_HELD_BY_SKU: Final = _HELD - {"product_id"}


def _fast_rule(_: str, fields: Fields) -> Body | None:
    extra: Fields = {}
    by_sku = "sku" in fields and "product_id" in fields
    if by_sku or not _HELD.issuperset(fields):
        if "total" in fields or "cost" in fields or type(fields.get("quantity", 0)) is not int:
            return None
        extra = fast.beside(fields, _HELD_BY_SKU if by_sku else _HELD)
    sku, code = fast.sku_of(fields), fast.code_of(fields.get("currency"))
    if not sku or code is None:
        return None
    price: Any = fields.get("price")
    if price is not None and (price := money.plain(price, code)) is None:
        return None
    return ProductViewed(
        sku=sku,
        name=fast.strip(fields.get("name", "")),
        category=fast.strip(fields.get("category", "")),
        currency=code,
        price_minor=price,
        extra=extra,
    )


class ProductView(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A product page was seen."""

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price: Decimal | None = None


ENTRY: Final = CatalogueEntry(
    body=ProductViewed,
    names=("product viewed",),
    properties=Properties(Product, parts.SKU, "name", "category", "currency", "price"),
    rule=_rule,
    fast_rule=_fast_rule,
    not_held=_not_held,
    route=TypedRoute(
        path="product-views",
        body=ProductView,
        key="header",
        example={"customer": EXAMPLE_VISITOR, "sku": "TEA-1", "currency": "EUR", "price": "29.95"},
        understand=tracked("Product Viewed", _rule, Product, not_held=_not_held),
    ),
)
