"""What is on a wishlist: `Product Added to Wishlist`, `Product Removed from Wishlist`."""

from typing import Final

from services.ingest.domain.catalogue.simple import PRODUCT, simple
from shared.contracts.events import WishlistItemAdded, WishlistItemRemoved

_TEXTS: Final = {**PRODUCT, "wishlist_id": "wishlist_id", "wishlist_name": "wishlist_name"}

ENTRIES: Final = (
    simple(WishlistItemAdded, "product added to wishlist", texts=_TEXTS, required=("sku",), priced=True),
    simple(WishlistItemRemoved, "product removed from wishlist", texts=_TEXTS, required=("sku",), priced=True),
)
