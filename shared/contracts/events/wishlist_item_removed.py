"""A product was taken off a wishlist."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class WishlistItemRemoved(OneProduct, frozen=True, kw_only=True):
    """A product was taken off a wishlist."""

    TYPE: ClassVar = "rapport.wishlist_item_removed.v1"
    PUBLIC: ClassVar = True

    wishlist_id: str | None = None
    wishlist_name: str = ""
