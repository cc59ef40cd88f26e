"""A product was put into a cart, or taken out: `Product Added`, `Product Removed`, `Wishlist Product Added to Cart`.

Those that have the whole cart, with its `products`, are a `CartUpdated`.
"""

from dataclasses import replace
from typing import Final

from services.ingest.domain.catalogue import cart_updated
from services.ingest.domain.catalogue.entry import CatalogueEntry, Fields
from services.ingest.domain.catalogue.simple import PRODUCT, simple
from shared.contracts.events import Body, CartItemAdded, CartItemRemoved, CustomEvent


def _or_cart(entry: CatalogueEntry) -> CatalogueEntry:
    """Returns the entry with a fast rule that reads a whole cart as such, as its general one does."""
    item, cart = entry.fast_rule, cart_updated.ENTRY.fast_rule
    assert item is not None
    assert cart is not None

    def fast_rule(name: str, fields: Fields) -> Body | None:
        if "products" not in fields:
            return item(name, fields)
        body = cart(name, fields)
        return None if type(body) is CustomEvent else body  # it may be an item after all

    return replace(entry, fast_rule=fast_rule, whole=cart_updated.ENTRY)


_ADDED: Final = {**PRODUCT, "cart_id": "cart_id", "wishlist_id": "wishlist_id"}
_REMOVED: Final = {**PRODUCT, "cart_id": "cart_id"}

ENTRIES: Final = (
    _or_cart(simple(CartItemAdded, "product added", texts=_ADDED, required=("sku",), priced=True, counted=True)),
    simple(CartItemAdded, "wishlist product added to cart", texts=_ADDED, required=("sku",), priced=True, counted=True),
    _or_cart(simple(CartItemRemoved, "product removed", texts=_REMOVED, required=("sku",), priced=True, counted=True)),
)
