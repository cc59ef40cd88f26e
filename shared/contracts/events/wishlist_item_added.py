"""A product was put on a wishlist."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class WishlistItemAdded(OneProduct, frozen=True, kw_only=True):
    """A product was put on a wishlist."""

    TYPE: ClassVar = "rapport.wishlist_item_added.v1"
    PUBLIC: ClassVar = True

    wishlist_id: str | None = None
    wishlist_name: str = ""
