"""A product was put into a cart."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class CartItemAdded(OneProduct, frozen=True, kw_only=True):
    """A product was put into a cart."""

    TYPE: ClassVar = "rapport.cart_item_added.v1"
    PUBLIC: ClassVar = True

    quantity: int = 1
    cart_id: str | None = None
    wishlist_id: str | None = None
    """The wishlist that it was put into the cart from."""
