"""A product was taken out of a cart."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class CartItemRemoved(OneProduct, frozen=True, kw_only=True):
    """A product was taken out of a cart."""

    TYPE: ClassVar = "rapport.cart_item_removed.v1"
    PUBLIC: ClassVar = True

    quantity: int = 1
    cart_id: str | None = None
